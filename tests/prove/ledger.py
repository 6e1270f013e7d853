"""What was acknowledged between two moments, and how it is held against the database."""

import threading
import time
from collections import Counter

from machine.counters.recount import verify
from tests.platform import poll

# Come back later. A first request with the same key that is still at work says so too.
REFUSED = (503, 429, 507)


class Ledger:
    """What was acknowledged between two moments, and all that went against the rules."""

    def __init__(self, films, breaks):
        self.films, self.breaks = films, breaks
        self.began = time.monotonic()
        self.likes = {}  # (user, film) -> the values that may stand
        self.comments = {}  # text -> id, or None when nobody answered
        self.pairs = set()  # (film, viewer), each counted once
        self.doubtful = set()  # told that it is not counted now: Redis may have heard of it all the same
        self.uploads = []
        self.statuses, self.wrong, self.slowest = Counter(), [], 0.0
        self.acknowledged = self.refused = 0
        self.lock = threading.Lock()

    def note(self, kind, status, seconds, headers, answer):
        """Count an answer; keep what may not be answered at all."""
        with self.lock:
            self.statuses[status] += 1
            self.slowest = max(self.slowest, seconds)
            if status in REFUSED or (answer or {}).get("reason") == "idempotency_key_in_use":
                self.refused += 1
                if status != 507 and "Retry-After" not in headers:
                    self.wrong.append(f"{kind}: {status} without Retry-After")
            elif status == 0:
                if not self.breaks:
                    self.wrong.append(f"{kind}: the connection broke")
            elif status >= 400:
                self.wrong.append(f"{kind}: {status} {(answer or {}).get('reason')}")
            elif kind != "read":
                self.acknowledged += 1

    @property
    def answered(self):
        return sum(n for status, n in self.statuses.items() if 200 <= status < 400)


def check(world, ledger, seconds=60, views=True):
    """Hold a ledger against the database; return (what is lost, seconds until all was as it should be)."""
    began, lost = time.monotonic(), []
    deadline = lambda: max(1, seconds - (time.monotonic() - began))  # noqa: E731
    lost += wrong_likes(world, ledger) + wrong_comments(world, ledger) + untold_comments(world, ledger)
    for what, condition in (
        ("a video is not READY", lambda: not stuck(world, ledger)),
        ("views are not what was acknowledged", lambda: not views or not wrong_views(world, ledger)),
        ("a counter is wrong", lambda: list(verify(world.store, settle=0.01)) == []),
    ):
        try:
            poll(lambda condition=condition: world.stand_up() or condition(), deadline(), what)
        except AssertionError:
            lost.append(f"{what}: {details(world, ledger, what)}")
    return lost, time.monotonic() - began


def details(world, ledger, what):
    """Return what is wrong, for the report."""
    if what.startswith("a video"):
        return stuck(world, ledger)
    if what.startswith("views"):
        return wrong_views(world, ledger)
    return [(d.resource, d.counter, d.stored, d.counted) for d in verify(world.store, settle=0.5)][:5]


def wrong_likes(world, ledger):
    found = {
        (one["user"], one["target"]): one["value"]
        for one in world.db.likes.find({"target": {"$in": ledger.films}})
    }
    return [
        f"a like stands at {found.get(key, 0)}, told {sorted(values)}"
        for key, values in ledger.likes.items()
        if found.get(key, 0) not in values
    ]


def wrong_comments(world, ledger):
    found = Counter(one["text"] for one in world.db.comments.find({"video": {"$in": ledger.films}}))
    wrong = [f"comment {text} is gone" for text, id_ in ledger.comments.items() if id_ and not found[text]]
    return wrong + [f"comment {text} stands {n} times" for text, n in found.items() if n > 1]


def untold_comments(world, ledger):
    """Return the comments, acknowledged or not, that are not in the event log exactly once."""
    told = Counter(
        one["subject"] for one in world.db.events.find({"type": "comments.created"}, {"subject": 1})
    )
    found = {one["_id"] for one in world.db.comments.find({"video": {"$in": ledger.films}}, {"_id": 1})}
    return [f"comment {id_} was told of {told[id_]} times" for id_ in found if told[id_] != 1]


def job_of(world, video):
    """Say how the newest job of a video stands, for the report."""
    job = world.db.jobs.find_one({"subject.id": video}, sort=[("_id", -1)]) or {}
    told = ("type", "state", "attempts", "waits", "cause", "error", "next_retry_at", "sent_at", "lease_until")
    return {name: str(job.get(name)) for name in told}


def stuck(world, ledger):
    match = {"_id": {"$in": ledger.uploads}}
    found = {one["_id"]: one for one in world.db.videos.find(match)}
    return [
        f"{id_}: {found[id_]['status']} {job_of(world, id_)}" if id_ in found else f"{id_}: gone"
        for id_ in ledger.uploads
        if id_ not in found or found[id_]["status"] != "READY" or found[id_].get("pending_media")
    ]


def wrong_views(world, ledger):
    told = Counter(film for film, _ in ledger.pairs)
    perhaps = Counter(film for film, _ in ledger.doubtful)
    found = {
        one["_id"]: one["counters"]["views"] for one in world.db.videos.find({"_id": {"$in": ledger.films}})
    }
    return [
        f"{film}: {found.get(film)}, told {told[film]}"
        for film in ledger.films
        if not told[film] <= found.get(film, -1) <= told[film] + perhaps[film]
    ]
