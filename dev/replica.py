"""Make one mongod a replica set of one: transactions and change streams need a set."""

from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

NOT_YET_INITIALIZED = 94
REPLICA_SET = "rs0"


def make_primary(port: int) -> bool:
    """Initiate the set, or tell it its new port; return True once the node takes writes."""
    host = f"127.0.0.1:{port}"
    client: MongoClient[dict[str, Any]]
    with MongoClient(host, directConnection=True, serverSelectionTimeoutMS=200) as client:
        try:
            hello = client.admin.command("hello")
            if hello.get("isWritablePrimary"):
                return True
            configure(client, host)
        except PyMongoError:  # not up yet, or an election is under way
            return False
    return False


def configure(client: MongoClient[dict[str, Any]], host: str) -> None:
    """Bring the set's configuration to one member at this address."""
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [{"_id": 0, "host": host}]})
        return
    if [member["host"] for member in config["members"]] != [host]:
        config["members"] = [{"_id": 0, "host": host}]
        config["version"] += 1
        client.admin.command("replSetReconfig", config, force=True)
