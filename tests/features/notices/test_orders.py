"""Each declared kind of notice, each way in which it is undone, each order of doing, undoing, doing again and telling.

An order is told in letters: it was done already; U undoes it, R does it again, T lets the relay and the workers tell,
r is the reader reading, M somebody else doing the like. After each T stands what the reader has: (count, unread) of
each notification. At the end everything is passed on once more, as after a worker that died before it could mark it.
"""

import pytest

from features.notices.relay_jobs import relay_events
from machine.declare.match import reach
from tests.audience import latest_event, pass_on, pass_on_again
from tests.conftest import sign_up
from tests.features.notices.orders import ARRANGE, MORE, Scene, kinds, undoings

pytestmark = pytest.mark.matrix
UNREAD, READ, NONE = [(1, True)], [(1, False)], []
BOTH, AFRESH = [(2, True)], [(1, False), (1, True)]
UNDOINGS = {one.name: one for one in undoings()}
ORDERS = {
    "UT RT UT RT rUT RT": (NONE, UNREAD, NONE, UNREAD, READ, READ),
    "URT URT rURT": (UNREAD, UNREAD, READ),
    "T T UT RURT": (UNREAD, UNREAD, NONE, UNREAD),
}
# What is gone does not come back, and nothing is left of it in what was read either.
ENDS = {"UT": (NONE,), "T UT": (UNREAD, NONE), "T rUT": (UNREAD, NONE)}
# Of two things in one notification only one is undone.
PAIRS = {
    "MT UT RT UMT RT": (BOTH, UNREAD, BOTH, BOTH, [(3, True)]),
    "UMT RT": (UNREAD, BOTH),
    "T rMT UT RT": (UNREAD, AFRESH, AFRESH, AFRESH),
}
ENDS_OF_PAIRS = {
    "MT UT": (BOTH, UNREAD),
    "MUT": (UNREAD,),
    "MT rUT": (BOTH, READ),
    "T rMT UT": (UNREAD, AFRESH, UNREAD),
}


def cells(undone, gone, wanted=lambda one: True):
    """Return (undoing, order) for each of those that are wanted."""
    return [
        (one.name, order)
        for one in UNDOINGS.values()
        if wanted(one)
        for order in (gone if one.final else undone)
    ]


@pytest.fixture(scope="module")
def cast(app):
    return [sign_up(app, name) for name in ("actor", "person", "other")]


@pytest.fixture
def scene(app, cast):
    """Return a function that does what an undoing undoes."""

    def make(name):
        pass_on(app)
        app.services.db["notifications"].delete_many({})
        app.services.db["jobs"].delete_many({"state": {"$ne": "queued"}})
        made = Scene(app, UNDOINGS[name], cast)
        made.start = latest_event(app)
        made.do()
        return made

    return make


def play(app, one, order, expected):
    """Play an order, and compare what is told after each T."""
    steps = {"U": one.undo, "R": one.redo, "M": one.more, " ": lambda: None, "T": lambda: pass_on(app)}
    steps["r"] = lambda: one.person.post("/me/notifications/read")
    told = []
    for step in order:
        steps[step]()
        if step == "T":
            told.append(sorted(one.told()))
    assert told == list(expected)
    pass_on_again(app, one.start)
    assert sorted(one.told()) == expected[-1]


def test_every_declared_kind_is_played():
    assert {notice.kind for _, notice in kinds()} == set(ARRANGE)
    assert {one.kind for one in UNDOINGS.values()} == set(ARRANGE)


def test_the_ways_out_are_those_that_the_declarations_leave_open():
    """Known by hand for one kind, so that a generator that finds nothing does not pass for one that holds."""
    assert {one.name.partition(": ")[2] for one in UNDOINGS.values() if one.kind == "mention"} == {
        "thing status=rejected", "thing status=held", "thing placeholder=True", "thing unnamed", "thing erase",
        "parent visibility=private", "parent status=UPLOADING", "parent status=BLOCKED", "parent delete",
    }  # fmt: skip


@pytest.mark.parametrize(("name", "order"), cells(ORDERS, ENDS))
def test_person_is_told_once_of_what_is_true(app, scene, name, order):
    play(app, scene(name), order, (ENDS if UNDOINGS[name].final else ORDERS)[order])


@pytest.mark.parametrize(
    ("name", "order"), cells(PAIRS, ENDS_OF_PAIRS, lambda one: one.kind in MORE and one.of == "thing")
)
def test_undoing_takes_only_its_own_part(app, scene, name, order):
    play(app, scene(name), order, (ENDS_OF_PAIRS if UNDOINGS[name].final else PAIRS)[order])


@pytest.mark.parametrize("name", UNDOINGS)
def test_webhook_is_told_of_each_undoing_once(app, scene, name):
    """Whoever follows the events knows what is now: the last one of a thing says so, and each is delivered once."""
    one = scene(name)
    resource, id_ = one.place
    owner = app.store.get("videos", one.ids.get("parent", one.ids["thing"]))["owner"]
    hook = app.store.insert(
        "webhooks", {"url": "https://example.org/x", "events": [], "active": True, "owner": owner}
    )
    try:
        for deed in (one.undo, *([] if one.undoing.final else [one.redo])):
            deed()
            for _ in range(2):  # the second time as after a worker that died
                while relay_events(app.store):
                    pass
                app.services.db["events"].update_many(
                    {"seq": {"$gt": one.start}}, {"$set": {"relayed_at": None}}
                )
            require_told(app, hook, resource, id_)
    finally:
        app.store.erase("webhooks", hook)
        for kind in ("deliver", "mail"):
            app.services.db["jobs"].delete_many({"type": kind})


def require_told(app, hook, resource, id_):
    """Check what a webhook knows of a document: all its events, each once, and from the last what it is now."""
    events = list(app.services.db["events"].find({"subject": id_, "user": hook["owner"]}).sort("seq", 1))
    sent = list(app.services.db["webhook_deliveries"].find({"webhook": hook["_id"], "payload.subject": id_}))
    told = {one["event"]: one["payload"] for one in sent}
    assert len(told) == len(sent) and {one["_id"] for one in events} == set(told)
    now, last = app.store.get(resource, id_), told[events[-1]["_id"]]["data"]
    if now is None or now.get("deleted_at"):
        assert events[-1]["type"] == f"{resource}.deleted" and last is None
    else:
        watched = app.registry[resource].watched & set(last)
        assert watched and {name: last[name] for name in watched} == {
            name: reach(now, name) for name in watched
        }
