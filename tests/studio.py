"""Videos in any state, a crowd that is signed in, and what tests of lists and refusals ask again and again."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from bson import ObjectId

from tests.audience import bring_to
from tests.conftest import sign_in

TEXT = "<script>alert(1)</script> &amp; %s {{7*7}} 'x' \"y\" \\ \U0001f980"
# As an older version took it: with an override of the direction, and a control character.
OLD_TEXT = TEXT.replace(" &amp;", " \u202e\u0007 &amp;")
MINUTE = timedelta(minutes=1)


class Studio:
    """Makes videos of one owner, in the state that a test wants."""

    def __init__(self, app, owner):
        self.app, self.owner = app, owner
        handle = "s" + secrets.token_hex(5)
        self.channel = owner.post("/channels", {"handle": handle, "name": "Studio"}).json["_id"]
        self.made = 0

    def film(self, visibility="public", status="READY", **values):
        """Return the id of a new video; each is published a minute after the one before."""
        self.made += 1
        facts = {"channel": self.channel, "title": values.pop("title", f"Film {self.made}")}
        answer = self.owner.post("/videos", facts)
        assert answer.status_code == 201, answer.json
        when = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1) + self.made * MINUTE
        values = {
            "visibility": visibility,
            "published_at": when,
            "duration": 100.0,
        } | values
        bring_to(self.app.store, ObjectId(answer.json["_id"]), status, **values)
        return answer.json["_id"]

    def deleted(self):
        """Return the id of a video that its owner has deleted."""
        video = self.film()
        assert self.owner.delete(f"/videos/{video}").status_code == 204
        return video

    def counters(self, video):
        return self.app.store.get("videos", ObjectId(video))["counters"]


class Town:
    """People enough for a storm, signed in without the cost of a password each."""

    def __init__(self, app):
        self.app = app
        self.people = []

    def some(self, count):
        while len(self.people) < count:
            self.people.append(self.newcomer())
        return self.people[:count]

    def newcomer(self, **values):
        name = "p" + secrets.token_hex(6)
        values = {"username": name, "role": "user", "status": "active", "email_verified": False} | values
        user = self.app.store.insert("users", values)
        return sign_in(self.app, user)


def at_once(calls, threads=16):
    """Run calls from many threads; return what they return, in their order."""
    with ThreadPoolExecutor(threads) as pool:
        return [one.result() for one in [pool.submit(call) for call in calls]]


def walk(client, path, **more):
    """Return the items of all pages of a list, following `next`."""
    items, seen = [], set()
    while path:
        answer = client.get(path, **more)
        assert answer.status_code == 200, answer.json
        items += answer.json["_items"]
        path = answer.json["_links"].get("next", {}).get("href")
        assert path not in seen
        seen.add(path)
    return items


def ids(items):
    return [one["_id"] for one in items]


def refused(answer, *statuses):
    """Check that an answer refuses in the one error shape."""
    assert answer.status_code in statuses, (answer.status_code, answer.json)
    assert {"reason", "status", "title", "request_id"} <= set(answer.json)
    return answer.json["reason"]
