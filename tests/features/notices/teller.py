"""Relays and workers that die: `python -m tests.features.notices.teller` forks one for each number that it reads.

The number says before which of its writes to MongoDB it kills itself. What became of it is printed: `killed`, or
`done` where it had fewer writes to make. This process itself opens no connection, so that it may fork.
"""

import os
import signal
import sys

from pymongo.errors import PyMongoError
from pymongo.monitoring import CommandListener

WRITES = ("insert", "update", "delete", "findAndModify", "commitTransaction")
IN_THE_WAY = 3


class Killer(CommandListener):
    """Kills this process before its nth write."""

    def __init__(self, left):
        self.left = left

    def started(self, event):
        if event.command_name in WRITES:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


def tell_all(number):
    """Relay what has happened and do the jobs that follow, until death."""
    from pymongo import MongoClient

    from features.backend import Backend
    from features.notices.relay_jobs import relay_events
    from machine.declare.registry import Registry
    from machine.jobs.runner import run_job
    from machine.write.store import Store
    from settings import Settings

    services = Backend(Settings.from_env())
    uri, listeners = services.settings.mongo_uri, [Killer(number)]
    mongo = MongoClient(uri, event_listeners=listeners, tz_aware=True, w="majority")
    services.__dict__.update(mongo=mongo, db=mongo[services.settings.database])
    store = Store(services, Registry.load())
    while relay_events(store):
        pass
    for job in list(services.db["jobs"].find({"state": "queued", "type": "survey_notices"}).sort("_id", 1)):
        run_job(job["_id"], services, store)


def main():
    import tasks.all  # noqa: F401  registers the jobs, once for all children

    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                tell_all(int(line))
            except PyMongoError:  # what the one before has not finished is in the way: beat would call again
                os._exit(IN_THE_WAY)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if killed else "done" if status == 0 else "failed", flush=True)


if __name__ == "__main__":
    main()
