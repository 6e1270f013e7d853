"""The cells of the generated tests: which documents, in which state of visibility, are put before which caller."""

from datetime import UTC, datetime

import pytest

from tests import oracle
from tests.factory import DEFINITIONS

CALLERS = ["anonymous", "stranger", "owner", "host", "moderator", "admin"]


def states_of(name):
    """Return (state, state of the parent) pairs; the parent's is None where it does not matter or is public."""
    own = [(state, None) for state in oracle.variants(name)]
    above = oracle.policy_of(name).get("readable_with")
    if not above:
        return own
    target = DEFINITIONS[name]["schema"][above]["data_relation"]["resource"]
    return own + [(own[0][0], state) for state in list(oracle.variants(target))[1:]]


def callers_of(name):
    """Return the callers that differ for a resource: a host only where there is something above."""
    return [one for one in CALLERS if one != "host" or oracle.policy_of(name).get("readable_with")]


def item_cells():
    """Yield (resource, state, state of the parent, caller) for every resource."""
    for name in DEFINITIONS:
        for state, above in states_of(name):
            for caller in callers_of(name):
                # Accounts own themselves; in other states than the usual they cannot even sign in.
                if not (
                    oracle.policy_of(name).get("owner") == "_id" and caller == "owner" and state != "public"
                ):
                    yield name, state, above, caller


def make(factory, cast, name, state, above=None, owner="owner"):
    """Insert a document in a state, below a parent in a state, and return it as stored."""
    values = values_of(name, state)
    owner_id = cast[owner].user["_id"]
    if oracle.policy_of(name).get("owner") == "_id" and state == "public" and owner == "owner":
        return factory.store.get(name, owner_id)
    if above:
        field = oracle.policy_of(name)["readable_with"]
        target = DEFINITIONS[name]["schema"][field]["data_relation"]["resource"]
        owned = (oracle.policy_of(name).get("owner") or "").startswith(f"{field}.")
        parent = factory.insert(target, owner_id if owned else factory.host, **values_of(target, above))
        values[field] = parent["_id"]
    return factory.insert(name, owner_id, **values)


class Shelf:
    """Documents kept for the next cell as long as nobody was allowed to change them."""

    def __init__(self, factory, cast):
        self.factory, self.cast, self.documents = factory, cast, {}

    def take(self, name, state=None, above=None):
        """Return the document of a cell as it is stored now."""
        key = name, state or next(iter(oracle.variants(name))), above
        if key not in self.documents:
            self.documents[key] = make(self.factory, self.cast, *key)["_id"]
        return self.factory.store.get(name, self.documents[key])

    def drop(self, name, state, above):
        """Have the next one made afresh."""
        self.documents.pop((name, state, above), None)


def values_of(name, state):
    values = dict(oracle.variants(name)[state])
    if "deleted_at" in values:
        values["deleted_at"] = datetime.now(UTC).replace(microsecond=0)
    return values


def who(cast, caller):
    """Return a caller as the oracle knows him."""
    client = cast[caller]
    return oracle.Who(oracle.ROLE_OF[caller], client.user["_id"] if client.user else None)


def slow_if(slow, cells):
    """Leave the cells that `slow` names out of the quick suite: its matrix is a sample."""
    return [pytest.param(cell, marks=pytest.mark.matrix) if slow(cell) else cell for cell in cells]


def label(cell):
    """Return the name of a cell as the test report shows it."""
    return "-".join(str(part) for part in cell if part)
