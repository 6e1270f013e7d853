"""A relay or a worker that is killed before any of its writes loses no notice and doubles none."""

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from features.notices.relay_jobs import LOCK
from tests.audience import make_channel, make_comment, make_video, pass_on
from tests.conftest import sign_up
from tests.patience import patience, wait_until
from tests.platform import ROOT

pytestmark = pytest.mark.timeout(600)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MOST = 150


@pytest.fixture(scope="module")
def teller(app, settings, stack):
    """Return a function that has a relay and its jobs killed before their nth write, and says what became of them."""
    env = {**os.environ, **stack.env, "DATA_DIR": str(settings.data_dir), "PYTHONPATH": str(ROOT)}
    # The transaction of a dead client stands in the way of others until MongoDB ends it; not for a minute here.
    limit, admin = "transactionLifetimeLimitSeconds", app.services.mongo.admin
    before = admin.command({"getParameter": 1, limit: 1})[limit]
    admin.command({"setParameter": 1, limit: 1})
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.features.notices.teller"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env,
    )  # fmt: skip

    def tell(number):
        child.stdin.write(f"{number}\n")
        child.stdin.flush()
        return next(line.strip() for line in child.stdout if line.strip() in ("killed", "done", "failed"))

    yield tell
    child.stdin.close()
    child.wait(patience(20))
    child.stdout.close()
    admin.command({"setParameter": 1, limit: before})


@pytest.fixture(scope="module")
def cast(app):
    return [sign_up(app, name) for name in ("actor", "person", "other")]


def recover(app):
    """Do what happens by itself after half a minute: the lock of the dead relay and the lease of its job end."""
    app.services.redis.delete(LOCK)
    app.services.db["jobs"].update_many(
        {"state": "running"}, {"$set": {"state": "queued", "lease_until": None, "next_retry_at": LONG_AGO}}
    )
    pass_on(app)


def come_to(app, people, expected):
    """Recover; tell whether people are told what they should be."""
    recover(app)
    return told(*people) == expected


def told(*people):
    """Return what each of these people is told: (kind, count)."""
    return [
        sorted((one["kind"], one["count"]) for one in person.get("/notifications").json["_items"])
        for person in people
    ]


def comment(app, cast):
    """A comment that answers one, mentions another and stands below somebody's film."""
    actor, person, other = cast
    video = make_video(other)
    first = make_comment(person, video)
    pass_on(app)
    app.services.db["notifications"].delete_many({})
    make_comment(actor, video, f"@{person.user['username']} and @{other.user['username']}", parent=first)
    return [[("reply", 1)], [("mention", 1)]]


def film(app, cast):
    """A film that is published, hidden and published again before anybody is told."""
    actor, person, other = cast
    channel = make_channel(actor)
    for one in (person, other):
        one.put(f"/channels/{channel}/subscription")
    video = make_video(actor, channel, visibility="private")
    pass_on(app)
    app.services.db["notifications"].delete_many({})
    for deed in ("publish", "unpublish", "publish"):
        assert actor.post(f"/videos/{video}/{deed}").status_code == 200
    return [[("new_video", 1)], [("new_video", 1)]]


def undone(app, cast):
    """A comment that was told with another, and is taken out of sight."""
    actor, person, other = cast
    video = make_video(other)
    make_comment(actor, video), make_comment(person, video)
    pass_on(app)
    hidden = make_comment(person, video, f"@{actor.user['username']}")
    pass_on(app)
    app.services.db["notifications"].delete_many({"kind": "processing"})
    assert other.post(f"/comments/{hidden}/reject").status_code == 200
    return [[], [("comment", 2)]]


@pytest.mark.parametrize("make", [comment, film, undone])
def test_death_before_any_write_loses_nothing_and_doubles_nothing(app, cast, teller, make):
    _, person, other = cast
    for number in range(1, MOST):
        recover(app)
        app.services.db["notifications"].delete_many({})
        expected = make(app, cast)
        fate = teller(number)
        assert fate != "failed"
        wait_until(lambda: come_to(app, (person, other), expected), 20, f"told rightly after death {number}")  # noqa: B023
        recover(app)
        assert told(person, other) == expected, number
        if fate == "done":
            break
    assert fate == "done" and number > 5, "it was killed at each of its writes, and there were some"
