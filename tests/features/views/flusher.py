"""A flusher of views that kills itself at a step: `python -m tests.features.views.flusher STEP`."""

import os
import signal
import sys

from pymongo.errors import PyMongoError

IN_THE_WAY = 3
# After each of these the process is gone: the batch is set aside, read, being written, committed, dropped.
STEPS = ("aside", "read", "write", "commit", "drop")


def die_after(place, name):
    """Make a method the last thing that this process does."""
    work = getattr(place, name)

    def last(*arguments, **more):
        work(*arguments, **more)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(place, name, last)


def main(step):
    from features.backend import Backend
    from features.views import flush_jobs as flush_views
    from machine.declare.registry import Registry
    from machine.write.store import Store
    from settings import Settings

    services = Backend(Settings.from_env())
    store = Store(services, Registry.load())
    places = {
        "aside": (services.views, "set_aside"),
        "read": (services.views, "read"),
        "write": (store, "note_counted"),
        "commit": (flush_views, "write_lot"),
        "drop": (services.views, "drop"),
    }
    if step in places:
        die_after(*places[step])
    try:
        flush_views.flush_views(store)
    except PyMongoError:
        # What a dead one has not finished is in the way until MongoDB drops it; beat would call again.
        sys.exit(IN_THE_WAY)


if __name__ == "__main__":
    main(sys.argv[1])
