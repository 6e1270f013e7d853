"""Marks on parents whose counters move: however a write ends, its mark ends as well."""

import threading
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect, NetworkTimeout, PyMongoError, WriteError

from features.backend import Backend
from machine.counters.repair_jobs import repair_counts
from machine.http.problem import Problem
from machine.write.store import Store
from tests.prove.proxy import TcpProxy


@pytest.fixture(scope="module")
def line(settings, app):
    """A proxy before MongoDB, and a store whose every command goes through it."""
    parts = urlsplit(settings.mongo_uri)
    with TcpProxy(parts.port) as proxy:
        uri = settings.mongo_uri.replace(f":{parts.port}", f":{proxy.port}").split("?")[0]
        services = Backend(
            replace(
                settings, mongo_uri=f"{uri}?directConnection=true&retryWrites=false", mongo_timeout_seconds=1
            )
        )
        store = Store(services, app.registry)
        store.services.db["likes"].find_one()
        yield proxy, store
        proxy.heal()
        services.close()


@pytest.fixture
def video(app, alice, name):
    channel = app.store.insert("channels", {"owner": alice.user["_id"], "handle": name, "name": name})
    fields = {"owner": alice.user["_id"], "channel": channel["_id"], "title": name, "visibility": "public"}
    return app.store.insert("videos", {**fields, "status": "READY"})["_id"]


# Users who are there, so that their likes are taken.
CROWD = []


@pytest.fixture(autouse=True)
def crowd(app):
    CROWD[:] = [ObjectId() for _ in range(20)]
    app.services.db["users"].insert_many(
        [{"_id": one, "username": str(one), "username_key": str(one)} for one in CROWD]
    )


def like(store, video, user=None, **more):
    return store.insert(
        "likes", {"user": user or CROWD.pop(), "target_type": "video", "target": video, "value": 1, **more}
    )


def on_the_way(store, video):
    mark = store.effects.marks.marks.get(("videos", video))
    return mark.on_the_way if mark else 0


class Fault(Exception):
    pass


def fail_in_listener(proxy, store, video):
    def listener(*_):
        raise Fault

    store.effects.listeners.append(listener)
    try:
        with pytest.raises(Fault):
            like(store, video)
    finally:
        store.effects.listeners.remove(listener)


def fail_by_write_error(proxy, store, video):
    with pytest.raises(WriteError):
        like(store, video, _id=[1])  # an array is no id: MongoDB refuses the document itself


def fail_by_reset(proxy, store, video):
    """The line breaks after the mark is laid, before the document is written."""
    break_line(store, video, proxy.reset, proxy, AutoReconnect)


def fail_by_timeout(proxy, store, video):
    break_line(store, video, proxy.blackhole, proxy, NetworkTimeout)


def break_line(store, video, break_, proxy, error):
    compiled = store.registry["likes"]
    prepare = store.atomic.put_in

    def put_in(*args):
        break_()
        return prepare(*args)

    store.atomic.put_in = put_in
    try:
        with pytest.raises(PyMongoError):
            like(store, video)
    finally:
        del store.atomic.put_in
        proxy.heal()
    assert compiled.counts


def fail_at_the_mark(proxy, store, video):
    """The line is broken before even the mark is laid: nothing was written."""
    proxy.reset()
    try:
        with pytest.raises(PyMongoError):
            like(store, video)
    finally:
        proxy.heal()


def fail_by_duplicate(proxy, store, video):
    user = CROWD.pop()
    like(store, video, user)
    with pytest.raises(Problem):
        like(store, video, user)


FAULTS = [
    fail_in_listener,
    fail_by_write_error,
    fail_by_reset,
    fail_by_timeout,
    fail_at_the_mark,
    fail_by_duplicate,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_failed_insert_leaves_no_write_on_its_way(app, line, video, fault):
    proxy, store = line
    fault(proxy, store, video)
    assert on_the_way(store, video) == 0


@pytest.mark.parametrize("fault", [fail_in_listener, fail_by_write_error, fail_by_reset, fail_by_timeout],
                         ids=lambda f: f.__name__)  # fmt: skip
def test_mark_of_a_failed_write_outlives_what_comes_later_and_leads_to_a_recount(app, line, video, fault):
    """What may have been written without its counter is looked at, even where other writes went well since."""
    proxy, store = line
    fault(proxy, store, video)
    like(store, video)
    store.effects.marks.cleared = float("-inf")
    for mark in store.effects.marks.marks.values():
        mark.used = float("-inf")
    like(store, app.store.insert("videos", {**app.store.get("videos", video), "_id": ObjectId()})["_id"])

    marks = app.services.db["pending_counts"]
    left = list(marks.find({"parent": video}))
    assert len(left) == 1, "the mark of the write that failed stays, those that went well are taken away"
    # What a write leaves behind that reached MongoDB though its answer did not reach us.
    app.services.db["likes"].insert_one(
        {"user": ObjectId(), "target_type": "video", "target": video, "value": 1, "_etag": "x"}
    )
    marks.update_many({"parent": video}, [{"$set": {"until": "$$NOW"}}])
    assert repair_counts(app.store, settle=0.05) == 1
    counted = app.services.db["likes"].count_documents({"target": video})
    assert app.store.get("videos", video)["counters"]["likes"] == counted


@pytest.mark.parametrize("deed", ["change", "erase"])
@pytest.mark.parametrize("fault", [fail_in_listener], ids=["listener"])
def test_failed_change_and_deletion_leave_no_write_on_its_way(app, line, video, deed, fault):
    proxy, store = line
    document = like(store, video)

    def listener(*_):
        raise Fault

    store.effects.listeners.append(listener)
    try:
        with pytest.raises(Fault):
            if deed == "change":
                store.change("likes", {"_id": document["_id"]}, set={"value": -1})
            else:
                store.erase("likes", document)
    finally:
        store.effects.listeners.remove(listener)
    assert on_the_way(store, video) == 0


def test_write_in_another_thread_keeps_its_count_when_one_fails(app, line, video):
    """The mark that a failure spoils may be that of a write on its way elsewhere; the next mark must not pay for it."""
    proxy, store = line
    inside, go_on = threading.Event(), threading.Event()
    slow = threading.local()

    def listener(*_):
        if getattr(slow, "me", False):
            inside.set()
            assert go_on.wait(20)

    def write_slowly():
        slow.me = True
        like(store, video)

    store.effects.listeners.append(listener)
    thread = threading.Thread(target=write_slowly)
    thread.start()
    try:
        assert inside.wait(20)
        fail_by_write_error(proxy, store, video)
        held = store.effects.marks.begin([("videos", video)])
        go_on.set()
        thread.join(20)
        assert on_the_way(store, video) == 1
        store.effects.marks.end(held)
        assert on_the_way(store, video) == 0
    finally:
        go_on.set()
        store.effects.listeners.remove(listener)


def test_change_of_side_marks_both_parents(app, line, video, alice, name):
    """A reference that is changed moves two counters: a crash must not leave the new parent's unseen."""
    proxy, store = line
    old = app.store.get("videos", video)["channel"]
    new = app.store.insert("channels", {"owner": alice.user["_id"], "handle": name + "2", "name": "x"})["_id"]
    seen = []

    def listener(resource, *_):
        if resource.name == "videos":
            seen.append({id_ for (_, id_), mark in store.effects.marks.marks.items() if mark.on_the_way})

    store.effects.listeners.append(listener)
    try:
        store.change("videos", {"_id": video}, set={"channel": new})
    finally:
        store.effects.listeners.remove(listener)
    assert seen == [{old, new}]
