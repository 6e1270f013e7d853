"""A majority of MongoDB is MongoDB: what it acknowledged outlives any member, killed or cut off."""

import tempfile

from tests.prove.fault import Fault, rises, suffer
from tests.prove.replica_set import ReplicaSet
from tests.prove.traffic import Traffic
from tests.prove.world import World

TOLD = "mongodb: the primary .* is lost"
MOVED = rises("marquee_mongo_primary_changes_total", what="lost")


def run(quick):
    with (
        tempfile.TemporaryDirectory() as folder,
        ReplicaSet(folder) as mongo,
        World(f"{folder}/world", MONGO_URI=mongo.uri, parts=("beat", "worker", "api", "api2")) as world,
        Traffic(world) as traffic,
    ):
        return [suffer(world, traffic, fault) for fault in faults(mongo, 1 if quick else 2)]


def faults(mongo, times):
    """List the harms: the primary dies, or is cut off from the majority while clients still reach it."""
    old = {}

    def strike(harm):
        old["one"] = mongo.primaries()[0]
        harm(old["one"])
        old["seconds"] = mongo.await_other_primary(old["one"])

    return [
        Fault("A killed primary loses nothing", "kill -9 of the primary of three",
              lambda: strike(lambda one: one.kill()), mongo.heal, TOLD, MOVED, hold=3.0, times=times),
        Fault("A primary cut off from the majority acknowledges nothing that is lost",
              "replication to and from the primary blackholed, clients still reach it",
              lambda: strike(mongo.part), mongo.heal, TOLD, MOVED, hold=3.0, times=times),
    ]  # fmt: skip
