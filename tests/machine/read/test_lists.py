"""Every declared list, for every caller: exactly what may be seen, in order, paged forth and back without gap."""

import json

import pytest

from tests import oracle
from tests.cells import CALLERS, label, make, slow_if, states_of, who
from tests.factory import DEFINITIONS, as_json

QUERIES = [
    (name, i, caller)
    for name in DEFINITIONS
    for i, _ in enumerate(oracle.policy_of(name).get("queries", []))
    for caller in CALLERS
]
MOUNTS = [
    (name, field, i, caller)
    for name in DEFINITIONS
    for field in oracle.policy_of(name).get("mounts", {})
    for i, query in enumerate(oracle.policy_of(name).get("queries", []))
    for caller in CALLERS
    if field in query["filter"]
]


def is_alike(cell):
    """Tell whether a caller of the same kind is in the quick suite."""
    return cell[-1] in ("stranger", "admin")


@pytest.fixture(scope="module")
def population(cast, factory):
    """Documents of every resource, in every state, of two owners."""
    return {
        name: [
            make(factory, cast, name, state, above, owner)
            for state, above in states_of(name)
            for owner in ("owner", "host", "owner")
            if oracle.policy_of(name).get("owner") != "_id" or owner == "host"
        ]
        for name in DEFINITIONS
    }


def walk(client, path, link="next"):
    """Follow a list page by page; return the pages' ids."""
    pages = []
    while path:
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        pages.append([one["_id"] for one in answer.json["_items"]])
        path, last = answer.json["_links"].get(link, {}).get("href"), path
        assert len(pages) < 500
    return pages, last


def check_list(client, path, expected):
    """Hold a list, forth and back, against the ids it must show in this order."""
    pages, last = walk(client, path)
    assert [one for page in pages for one in page] == expected
    back, _ = walk(client, last, "prev")
    assert [one for page in reversed(back) for one in page] == expected


def url(path, where, sort, size=3):
    return f"{path}?sort={sort}&max_results={size}" + (f"&where={json.dumps(where)}" if where else "")


def sample(document, fields, name):
    """Return the condition that finds this document by these fields, None where it lacks one."""
    where = {}
    for field in fields:
        value = document.get(field)
        value = value[0] if isinstance(value, list) and value else value
        where[field] = value
    return where


def conditions(name, documents, fields):
    """Yield each distinct condition over these fields that the documents give rise to."""
    seen = {}
    for document in documents:
        where = sample(document, fields, name)
        seen.setdefault(json.dumps(as_json(where), sort_keys=True), where)
    return list(seen.values())[:8]


@pytest.mark.parametrize("cell", slow_if(is_alike, QUERIES), ids=label)
def test_list_shows_what_its_caller_may_see(app, cast, population, cell):
    name, i, caller = cell
    query = oracle.policy_of(name)["queries"][i]
    for where in conditions(name, population[name], query["filter"]):
        path = url(f"/{name}", as_json(where), query["sort"])
        expected = oracle.list_ids(app.store, name, where, query["sort"], who(cast, caller))
        if isinstance(expected, int):
            assert cast[caller].get(path).status_code == expected
        else:
            check_list(cast[caller], path, expected)


@pytest.mark.parametrize("cell", slow_if(is_alike, MOUNTS), ids=label)
def test_sub_resource_shows_what_its_caller_may_see(app, cast, population, cell):
    name, field, i, caller = cell
    policy = oracle.policy_of(name)
    query, mount = policy["queries"][i], policy["mounts"][field]
    mount = {"url": mount} if isinstance(mount, str) else mount
    target = DEFINITIONS[name]["schema"][field]["data_relation"]["resource"]
    pins = {field: None, **mount.get("filter", {})}
    rest = [
        one for one in query["filter"] if one not in oracle.pins_of(query.get("view"), (0, 0, field, pins))
    ]
    for parent in [
        app.store.get(target, one) for one in {d[field] for d in population[name] if d.get(field)}
    ]:
        below = [one for one in population[name] if one.get(field) == parent["_id"]]
        path = "/" + mount["url"].replace("{" + field + "}", str(parent["_id"]))
        for where in conditions(name, below, rest):
            pins[field] = parent["_id"]
            expected = oracle.list_ids(
                app.store, name, where, query["sort"], who(cast, caller), (target, parent, field, pins)
            )
            target_path = url(path, as_json(where), query["sort"])
            if isinstance(expected, int):
                assert cast[caller].get(target_path).status_code == expected
            else:
                check_list(cast[caller], target_path, expected)


def test_every_declared_list_can_be_reached_by_somebody(app, cast, population):
    unreachable = []
    for name in DEFINITIONS:
        for query in oracle.policy_of(name).get("queries", []):
            if oracle.own_only(name, query, dict.fromkeys(query["filter"]), None):
                continue
            places = [None, *oracle.places(app.store, name, population[name])]
            if not any(
                oracle.view_of(app.store, name, query, where, who(cast, caller), place)
                for caller in CALLERS
                for place in places
                for where in conditions(
                    name,
                    population[name],
                    set(query["filter"]) - set(oracle.pins_of(query.get("view"), place)),
                )
            ):
                unreachable.append((name, query))
    assert not unreachable
