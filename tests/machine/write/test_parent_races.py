"""Generated from the declarations: something is created while what it refers to is deleted: refused or kept, not half.

Each reference with a fate (`on_parent_delete`: cascade, orphan) is tried in the worst order there is, and in twenty
rounds of both at once; afterwards the job that follows the deletion has run.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from bson import ObjectId

import tasks.all  # noqa: F401  registers the jobs
from machine.counters.recount import verify
from machine.http.problem import Problem
from machine.jobs.runner import run_job
from machine.write.cascade_jobs import LONG_AGO
from tests.factory import DEFINITIONS, relation

ROUNDS = 20


def fates(name):
    return DEFINITIONS[name]["policy"].get("on_parent_delete", {})


def targets(name, field):
    told = DEFINITIONS[name]["policy"].get("references", {}).get(field)
    if told:
        return [(target, {told["by"]: value}) for value, target in told["of"].items()]
    return [(relation(DEFINITIONS[name]["schema"][field]), {})]


REFERENCES = [
    (name, field, fate, target, told)
    for name in DEFINITIONS
    for field, fate in fates(name).items()
    if fate in ("cascade", "orphan", "anonymize")
    for target, told in targets(name, field)
]
COMING_BACK = [
    one for one in REFERENCES if one[2] == "cascade" and "soft_delete" in DEFINITIONS[one[0]]["policy"]
]


def label(cell):
    return f"{cell[0]}.{cell[1]}-{cell[3]}"


class Pair:
    """A parent, and a document that is about to refer to it."""

    def __init__(self, app, factory, cell):
        self.app, self.store = app, app.store
        self.name, self.field, self.fate, self.target, told = cell
        owner = factory.insert("users", None)["_id"]
        self.parent = factory.insert(self.target, owner)
        given = told | {self.field: self.parent["_id"]}
        self.child = {"_id": ObjectId(), **factory.document(self.name, owner, **given)} | given

    def create(self):
        """Insert the child; return whether that was accepted."""
        try:
            self.store.insert(self.name, self.child)
        except Problem as problem:
            assert problem.code in (404, 409, 422), problem
            return False
        return True

    def delete(self):
        """Delete the parent for good, as its owner and then the purge do, and do at once what follows."""
        for _ in range(100):
            found = self.store.get(self.target, self.parent["_id"])
            if found is None:
                break
            self.store.erase(self.target, found)
        self.follow()

    def follow(self):
        """Run the job of the deletion, as a worker would."""
        key = f"cascade:{self.target}:{self.parent['_id']}"
        job = self.app.services.db.jobs.find_one({"key": key})
        run_job(job["_id"], self.app.services, self.store)
        assert self.app.services.db.jobs.find_one({"key": key})["state"] == "succeeded"

    def check(self, accepted):
        """Hold what is left against the declared fate."""
        left = self.store.get(self.name, self.child["_id"])
        if not accepted:
            assert left is None, "refused, and there all the same"
        elif self.fate in ("orphan", "anonymize"):
            assert left[self.field] is None, "refers to nothing"
        else:
            assert left is None or left.get("deleted_at") == LONG_AGO, "below nothing"


@pytest.fixture
def pair(app, factory):
    return lambda cell: Pair(app, factory, cell)


@pytest.mark.parametrize("cell", REFERENCES, ids=label)
def test_what_refers_to_something_gone_is_refused(pair, cell):
    """The worst order: checked while the parent was there, written when the job has looked already."""
    one = pair(cell)
    one.delete()
    assert one.create() is False
    one.check(False)


@pytest.mark.parametrize("cell", REFERENCES, ids=label)
def test_created_and_deleted_at_once(app, pair, cell):
    for number in range(ROUNDS):
        one = pair(cell)
        # Each is given a start in turn, by parts of the time that a write takes.
        ahead = (number % 5 - 2) * 0.0008
        accepted, _ = race(one.create, one.delete, ahead)
        one.check(accepted)


def test_no_counter_is_wrong_after_all_that(app):
    """Runs last: everything above has moved counters in this database."""
    assert list(verify(app.store, settle=0.01)) == []


@pytest.mark.parametrize("cell", COMING_BACK, ids=label)
def test_what_comes_back_to_something_gone_is_refused(app, pair, cell):
    one = pair(cell)
    assert one.create()
    app.store.remove(one.name, app.store.get(one.name, one.child["_id"]))
    one.delete()
    before = app.store.get(one.name, one.child["_id"])
    with pytest.raises(Problem) as refused:
        app.store.change(one.name, {"_id": one.child["_id"]}, set={"deleted_at": None})
    assert (refused.value.code, refused.value.reason) == (409, "parent_gone")
    assert app.store.get(one.name, one.child["_id"]) == before


@pytest.mark.parametrize("cell", COMING_BACK, ids=label)
def test_restored_while_its_parent_is_deleted(app, pair, cell):
    """Again and again until the deletion and its job are through: every moment of them has its try."""
    for _ in range(ROUNDS):
        one = pair(cell)
        assert one.create()
        app.store.remove(one.name, app.store.get(one.name, one.child["_id"]))
        deleted = {"_id": one.child["_id"], "deleted_at": {"$ne": None}}
        with ThreadPoolExecutor(1) as pool:
            ending = pool.submit(one.delete)
            while not ending.done():
                try:
                    app.store.change(one.name, deleted, set={"deleted_at": None})
                except Problem as problem:
                    assert problem.reason == "parent_gone"
            ending.result()
        one.check(True)


def race(first, second, ahead):
    """Run two calls at once and return what they return; the first begins `ahead` seconds before the second."""
    barrier = threading.Barrier(2)

    def run(call, wait):
        barrier.wait()
        time.sleep(max(0, wait))
        return call()

    with ThreadPoolExecutor(2) as pool:
        begun = [pool.submit(run, call, wait) for call, wait in ((first, -ahead), (second, ahead))]
        return [one.result() for one in begun]
