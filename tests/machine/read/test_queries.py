"""What lists cost: every declared query runs on an index, in order, and a page takes at most three commands."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.monitoring import CommandListener

from tests import oracle
from tests.cells import label, make, values_of, who
from tests.factory import DEFINITIONS, as_json

SIZE = 4
QUERIES = [(name, i) for name in DEFINITIONS for i, _ in enumerate(oracle.policy_of(name).get("queries", []))]
PAGED = 14


@pytest.fixture(scope="module")
def crowd(app, cast, factory):
    """Enough documents of every resource that a list has several pages."""
    made = {}
    for name in DEFINITIONS:
        state = next(iter(oracle.variants(name)))
        made[name] = [make(factory, cast, name, state, owner="host") for _ in range(PAGED)]
    return made


@pytest.fixture
def profile(app):
    """Tell what each query of the test really did."""
    db = app.services.db
    db.command({"profile": 2})
    yield lambda name: list(db["system.profile"].find({"ns": f"{db.name}.{name}", "op": "query"}))
    db.command({"profile": 0})
    db["system.profile"].drop()


def seen_by(store, name, where, sort, cast):
    """Return the callers who get a list of this condition."""
    callers = ("anonymous", "host", "moderator", "admin")
    return [
        c for c in callers if not isinstance(oracle.list_ids(store, name, where, sort, who(cast, c)), int)
    ]


def pages(client, path):
    """Read three pages forth and one back."""
    for link in ("next", "next", "prev"):
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        path = answer.json["_links"].get(link, {}).get("href")
        if not path:
            return


def is_single(name, where):
    """Tell whether a unique index leaves at most one document, of which any order is free."""
    folded = {shown: key for key, shown in oracle.policy_of(name).get("folded", {}).items()}
    given = {folded.get(field, field) for field in where}
    declared = [i for i in DEFINITIONS[name].get("mongo_indexes", {}).values() if isinstance(i, tuple)]
    unique = [{field for field, _ in keys} for keys, options in declared if options.get("unique")]
    unique += [set(one["fields"]) for one in oracle.policy_of(name).get("unique", [])]
    return any(fields <= given for fields in unique)


@pytest.mark.parametrize("cell", QUERIES, ids=label)
def test_declared_query_runs_in_the_order_of_an_index(app, cast, crowd, profile, cell):
    name, i = cell
    query = oracle.policy_of(name)["queries"][i]
    document = crowd[name][7]
    where = {
        field: v[0] if isinstance(v := document.get(field), list) and v else v for field in query["filter"]
    }
    condition = f"&where={json.dumps(as_json(where))}" if where else ""
    callers = seen_by(app.store, name, where, query["sort"], cast)
    if not callers:
        assert query.get("view") == "hosted", "nobody can use this query"
        pytest.skip("only below what one owns")
    # MongoDB remembers plans of the same collection with other documents in it.
    app.services.db.command("planCacheClear", name)
    for caller in callers:
        pages(cast[caller], f"/{name}?sort={query['sort']}&max_results={SIZE}{condition}")
    # The oracle reads whole collections; the product always bounds what it reads.
    ran = [one for one in profile(name) if one["command"].get("filter") or "limit" in one["command"]]
    assert ran
    for one in ran:
        plan = f"{one['planSummary']} {one['command'].get('filter')} {one['command'].get('sort')}"
        assert "COLLSCAN" not in one["planSummary"], plan
        assert not one.get("hasSortStage") or is_single(name, where), plan
        if "sort" in one["command"]:
            assert one["docsExamined"] <= 3 * (SIZE + 1) or is_single(name, where), plan


class Counter(CommandListener):
    """Counts commands that reach MongoDB."""

    def __init__(self):
        self.commands = []

    def started(self, event):
        self.commands.append(
            (event.command_name, event.command.get(event.command_name), event.command.get("filter"))
        )

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


@pytest.fixture(scope="module")
def counter(app):
    """Put a counting client in the place of the application's."""
    counter = Counter()
    kept = app.services.mongo
    counting = MongoClient(app.settings.mongo_uri, event_listeners=[counter], tz_aware=True, w="majority")
    app.services.__dict__.update(mongo=counting, db=counting[app.settings.database])
    yield counter
    app.services.__dict__.update(mongo=kept, db=kept[app.settings.database])
    counting.close()


EMBEDS = [(n, i) for n, i in QUERIES if oracle.policy_of(n).get("embeds")]


@pytest.mark.parametrize("cell", EMBEDS or QUERIES, ids=label)
def test_page_with_two_embeds_takes_at_most_three_commands(app, cast, crowd, counter, cell):
    name, i = cell
    query = oracle.policy_of(name)["queries"][i]
    where = {f: v[0] if isinstance(v := crowd[name][7].get(f), list) and v else v for f in query["filter"]}
    embeds = list(oracle.policy_of(name)["embeds"])[:2]
    condition = f"&where={json.dumps(as_json(where))}" if where else ""
    for caller in seen_by(app.store, name, where, query["sort"], cast):
        path = f"/{name}?sort={query['sort']}&embedded={','.join(embeds)}{condition}"
        assert cast[caller].get(path).status_code == 200
        app.cache.clear()
        counter.commands.clear()
        assert cast[caller].get(path).status_code == 200
        reads = 1 + len(embeds) + (1 if oracle.policy_of(name).get("readable_with") else 0)
        assert 1 <= len(counter.commands) <= min(reads, 3), counter.commands


def test_page_below_a_document_with_two_embeds_takes_at_most_three_commands(app, cast, crowd, counter):
    """What the list stands below is read once: for visibility, and for whoever embeds it."""
    seen = 0
    for resource in app.registry:
        for mount in resource.mounts:
            document = next((one for one in crowd[resource.name] if one.get(mount.field)), None)
            if document is None or not resource.embeds:
                continue
            embeds = ",".join(list(resource.embeds)[:2])
            path = f"/{mount.parent}/{document[mount.field]}/{mount.segment}?embedded={embeds}"
            for caller in ("anonymous", "stranger", "moderator"):
                if cast[caller].get(path).status_code == 200:
                    app.cache.clear()
                    counter.commands.clear()
                    cast[caller].get(path)
                    assert 1 <= len(counter.commands) <= 3, (path, caller, counter.commands)
                    seen += 1
    assert seen


@pytest.mark.parametrize("name", DEFINITIONS)
def test_item_takes_one_command_whatever_it_belongs_to(app, cast, crowd, counter, name):
    document = crowd[name][3]
    for caller in ("anonymous", "host", "moderator"):
        if cast[caller].get(f"/{name}/{document['_id']}").status_code != 200:
            continue
        app.cache.clear()
        counter.commands.clear()
        cast[caller].get(f"/{name}/{document['_id']}")
        assert len(counter.commands) == 1, counter.commands


def test_videos_with_and_without_a_date_page_at_constant_cost(app, cast, profile):
    owner, channel = cast["host"].user["_id"], ObjectId()
    base = values_of("videos", "public") | {
        "owner": owner,
        "channel": channel,
        "deleted_at": None,
        "title": "t",
    }
    start = datetime(2020, 1, 1, tzinfo=UTC)
    dates = [start + timedelta(hours=i // 3) for i in range(900)] + [None] * 300
    app.store.collection("videos").insert_many(
        {**base, "_id": ObjectId(), "_etag": "x", "published_at": d} for d in dates
    )
    path, count = f'/videos?where={{"channel":"{channel}"}}&sort=-published_at&max_results=25', 0
    while path:
        answer = cast["anonymous"].get(path)
        count += len(answer.json["_items"])
        path = answer.json["_links"].get("next", {}).get("href")
    assert count == 1200
    for one in profile("videos"):
        assert not one.get("hasSortStage")
        # A few more than the page, for those of the same date that were seen before.
        assert one["keysExamined"] <= 26 + 8, (
            one["planSummary"],
            one["keysExamined"],
            one["command"]["filter"],
        )
