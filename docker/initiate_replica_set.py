"""Make some MongoDB processes one replica set: `python initiate_replica_set.py rs0 host:port host:port host:port`.

Signs in as MONGO_URI does. Safe to run again: a set that exists is left as it is.
"""

import os
import sys
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

NOT_YET_INITIALIZED = 94
PATIENCE_SECONDS = 120


def account() -> dict[str, str]:
    """Return the account that MONGO_URI (or the file MONGO_URI_FILE) names."""
    file = os.environ.get("MONGO_URI_FILE")
    uri = urlsplit(Path(file).read_text().strip() if file else os.environ.get("MONGO_URI", ""))
    if not uri.username:
        return {}
    return {"username": unquote(uri.username), "password": unquote(uri.password or ""), "authSource": "admin"}


def initiate(name: str, members: list[str]) -> None:
    """Initiate the set from its first member unless it is one, and wait for its primary."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with MongoClient(
                members[0], directConnection=True, serverSelectionTimeoutMS=3000, **account()
            ) as client:
                start(client, name, members)
                if client.admin.command("hello").get("primary"):
                    return
        except PyMongoError as error:
            if time.monotonic() > ends:
                raise SystemExit(
                    f"No replica set after {PATIENCE_SECONDS} s: {type(error).__name__}"
                ) from error
        if time.monotonic() > ends:
            raise SystemExit(f"No primary after {PATIENCE_SECONDS} s.")
        time.sleep(1)


def start(client: "MongoClient[dict[str, object]]", name: str, members: list[str]) -> None:
    """Initiate the set where there is none."""
    try:
        client.admin.command("replSetGetStatus")
    except OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
        hosts = [{"_id": index, "host": host} for index, host in enumerate(members)]
        client.admin.command("replSetInitiate", {"_id": name, "members": hosts})


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    initiate(sys.argv[1], sys.argv[2:])
