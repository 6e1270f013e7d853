"""Receives a film as the API does, and is killed after the commit, before it can tell a worker: python … VIDEO FILM."""

import os
import shutil
import signal
import sys

from bson import ObjectId

from features.backend import Backend
from features.uploads import records as uploads
from machine.declare.registry import Registry
from machine.jobs.ledger import JobLedger
from machine.write.store import Store
from settings import Settings


def die(ledger, job_id):
    """Stand where the job would be announced."""
    assert ledger.jobs.find_one({"_id": job_id})["state"] == "queued"
    os.kill(os.getpid(), signal.SIGKILL)


video, film = sys.argv[1:]
store = Store(Backend(Settings.from_env()), Registry.load())
begun = uploads.begin(store, store.get("videos", ObjectId(video)), "multipart", 60)
spool = uploads.spool_of(store)
with open(film, "rb") as source, spool.create(begun["_id"]) as target:
    shutil.copyfileobj(source, target)
    spool.keep(target)
JobLedger.announce = die
uploads.complete(store, begun, os.path.getsize(film))
