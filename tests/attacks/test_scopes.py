"""API keys and their scopes, over every way to a document's fields: without the scope a stranger, with it its owner."""

import itertools
import json
import re

import pytest

from tests import oracle
from tests.attacks.test_url_map import FILES, take
from tests.attacks.url_map import cases
from tests.cells import label, slow_if, states_of
from tests.conftest import Client
from tests.factory import DEFINITIONS, as_json, marker
from tests.test_policy import leaks

SCOPES = frozenset(f"{name}:{deed}" for name in DEFINITIONS for deed in ("read", "write"))
# Documents of alice's, read by her own keys and by those of an administrator.
HOLDERS = ["owner", "admin"]
CELLS = [(name, holder) for name in DEFINITIONS for holder in HOLDERS]
KEYS = {}
# What says something else every time.
VARYING = "/metrics|/readyz|/playback|/download|/thumbnail"


def key_of(app, client, scopes):
    """Return a client that holds a key of somebody's with these scopes, whether or not one may ask for them today."""
    known = (client.user["_id"], frozenset(scopes))
    if known not in KEYS:
        values = {"user": client.user["_id"], "name": "x", "scopes": sorted(scopes), "expires_at": None}
        stored = app.store.insert("api_keys", {**values, "last_used_at": None})
        KEYS[known] = Client(app, app.services.tokens.api_keys.make(stored["_id"]), client.user)
    return KEYS[known]


@pytest.fixture(scope="module")
def every(app, alice):
    KEYS.clear()
    app.store.change("users", {"_id": alice.user["_id"]}, set={"email": f"{marker('email')}@example.org"})
    return [case for case in cases(app) if case.method == "GET"]


@pytest.fixture(scope="module")
def tell(shelf):
    """Return the fields of documents whose values an answer tells, as (number of the document, field)."""

    def told(documents, answer):
        text = answer[1]
        return {
            (number, field)
            for number, document in enumerate(documents)
            for field in leaks(document, set(document) - URLS, text)
        }

    return told


# What stands in URLs, which an answer may repeat, and what is a word of the API.
URLS = {"username", "handle", "username_key", "handle_key", "email_key", "type", "events"}


def public_part(app, name, documents):
    """Return what strangers may read of documents, as (number of the document, field)."""
    stranger, hidden = oracle.Who("anonymous"), oracle.hidden(name, ["anyone"])
    # A folded copy reads like the field it was made of.
    folded = oracle.policy_of(name).get("folded", {})
    return {
        (number, field)
        for number, document in enumerate(documents)
        if oracle.may_read(app.store, name, document, stranger)
        for field in document
        if folded.get(field, field) not in hidden
    }


def ask(client, path, method="GET", **more):
    """Send a request; return the status and all that the answer says, of a stream what it has to say at once."""
    headers = {"Accept": "*/*", **more.pop("headers", {})}
    if path.endswith("/me/stream"):
        headers["Last-Event-ID"] = f"0-{'0' * 24}"
    answer = client.call(method, path, headers=headers, **more)
    if answer.mimetype == "text/event-stream":
        # The greeting and every notification; behind them the stream waits.
        waiting = client.app.store.collection("notifications").count_documents({"user": client.user["_id"]})
        text = "".join(
            part.decode() for part in itertools.islice(answer.iter_encoded(), 1 + min(waiting, 100))
        )
    else:
        text = answer.text
    answer.close()
    text += str(answer.headers.get("Location", ""))
    for asked in re.findall(r"[a-z-]+[0-9a-f]{7,}", path):
        text = text.replace(asked, "")
    return answer.status_code, text


def documents_of(app, shelf, name):
    """Return a document of alice's in each state."""
    found = [take(app, shelf, name, state, above) for state, above in states_of(name)]
    return [one for one in found if not one.get("deleted_at")]


def referring(app, factory, cast, name, document):
    """Yield (resource, field, document) of alice's documents that refer to this one, one of each kind."""
    for other, definition in DEFINITIONS.items():
        for field, rules in definition["schema"].items():
            if rules.get("data_relation", {}).get("resource") != name or oracle.owner_field(other) == field:
                continue
            values = {**oracle.variants(other)[next(iter(oracle.variants(other)))], field: document["_id"]}
            mine = cast["owner"].user["_id"]
            same = {field: document["_id"], **({owner: mine} if (owner := oracle.owner_field(other)) else {})}
            holder = app.store.collection(other).find_one(same) or factory.insert(other, mine, **values)
            yield other, field, holder


def embedded(other, name):
    """Return the query that embeds whatever leads to a resource, empty where nothing does."""
    names = [
        field
        for field in oracle.policy_of(other).get("embeds", {})
        if DEFINITIONS[other]["schema"][field].get("data_relation", {}).get("resource") == name
    ]
    return [f"?embedded={','.join(names)}"] if names else []


def lists(name, documents):
    """Yield the query string of every declared list of a resource that finds these documents."""
    for query in oracle.policy_of(name).get("queries", []):
        for document in documents[:3]:
            where = {field: document.get(field) for field in query["filter"]}
            where = {field: one[0] if isinstance(one, list) and one else one for field, one in where.items()}
            filtered = f"&where={json.dumps(as_json(where))}" if where else ""
            yield f"?sort={query['sort']}&max_results=100{filtered}"


def paths(app, factory, cast, every, name, documents):
    """Yield every URL on which something of these documents may stand."""
    for case in (case for case in every if case.resource == name):
        yield from (case.path(document) for document in documents)
    for query in lists(name, documents):
        yield f"/{name}{query}"
    for document in documents:
        for other, _, holder in referring(app, factory, cast, name, document):
            for case in (case for case in every if case.resource == other):
                yield from (case.path(holder) + more for more in ["", *embedded(other, name)])
            for query, more in itertools.product(lists(other, [holder]), embedded(other, name)):
                yield f"/{other}{query}&{more[1:]}"
            for field in oracle.policy_of(other).get("mounts", {}):
                target = DEFINITIONS[other]["schema"][field]["data_relation"]["resource"]
                below = [case for case in every if case.resource == target]
                parent = {"_id": holder.get(field)}
                yield from (case.path(parent) + more for case in below for more in embedded(other, name))
    words = [one.get("title") or one.get("name") or one.get("username") for one in documents]
    for case in (case for case in every if case.resource is None):
        yield case.path({})
        if any(parameter["name"] == "ids" for parameter in getattr(case.spec, "parameters", ())):
            yield f"{case.path({})}?ids={','.join(str(one['_id']) for one in documents)}"
        yield from (f"{case.path({})}?q={word}" for word in words if word and "search" in case.rule)


@pytest.mark.parametrize("cell", slow_if(lambda cell: cell[1] == "admin", CELLS), ids=label)
def test_a_key_without_the_scope_is_a_stranger_on_every_way(
    app, cast, factory, shelf, every, tell, cell, record_property
):
    name, holder = cell
    documents = documents_of(app, shelf, name)
    session, people_only = cast[holder], oracle.policy_of(name).get("people_only", False)
    without = key_of(app, session, SCOPES - {f"{name}:read"})
    wide = key_of(app, session, SCOPES)
    wrong, tried, telling, public = [], 0, 0, public_part(app, name, documents)
    ways = dict.fromkeys(paths(app, factory, cast, every, name, documents))
    app.services.db["videos"].update_many({}, {"$set": FILES})
    for path in ways:
        stranger, owner = ask(cast["anonymous"], path), ask(session, path)
        narrow, full = ask(without, path), ask(wide, path)
        beyond = tell(documents, narrow) - public - tell(documents, stranger)
        tried += 1
        telling += bool(tell(documents, owner) - public)
        if beyond:
            wrong.append((path, narrow[0], "a stranger is not told", sorted(beyond)))
        if narrow[0] >= 500 or full[0] >= 500:
            wrong.append((path, narrow[0], full[0], "an error of ours"))
        if (
            full[0] == owner[0] == 200
            and full[1] != owner[1]
            and not people_only
            and not re.search(VARYING, path)
        ):
            wrong.append((path, full[0], "with the scope its owner is answered otherwise"))
        if people_only:
            if tell(documents, full):
                wrong.append((path, full[0], "for people only"))
        elif tell(documents, full) != tell(documents, owner) and "session_required" not in full[1]:
            wrong.append((path, full[0], owner[0], "with the scope its owner is told otherwise"))
    assert not wrong, f"{len(wrong)}\n" + "\n".join(map(str, wrong[:40]))
    record_property("tried", tried)
    # Where nobody is told anything, nothing was tried.
    assert telling or holder != ("admin" if name == "audit_log" else "owner")


def test_a_key_for_likes_does_not_open_a_private_film(app, cast, factory):
    """As it was found: the picture of a private film, and its title in a playlist."""
    alice = cast["owner"]
    film = factory.insert("videos", alice.user["_id"], visibility="private", status="READY", **FILES)
    playlist = factory.insert("playlists", alice.user["_id"], visibility="private")
    item = factory.insert("playlist_items", alice.user["_id"], playlist=playlist["_id"], video=film["_id"])
    key = key_of(app, alice, {"likes:read"})
    assert alice.get(f"/videos/{film['_id']}/thumbnail").status_code == 302
    assert key.get(f"/videos/{film['_id']}/thumbnail").status_code == 404
    key = key_of(app, alice, {"playlist_items:read", "playlists:read"})
    for path in (f"/playlist_items/{item['_id']}", f"/playlists/{playlist['_id']}/items"):
        assert film["title"] in alice.get(f"{path}?embedded=video").text
        answer = key.get(f"{path}?embedded=video")
        assert (
            answer.status_code == 200 and film["title"] not in answer.text and str(film["_id"]) in answer.text
        )


def test_the_stream_tells_a_key_what_it_may_read(app, cast, factory, every, tell):
    """The tests above read all that a stream has to say at once: it says something."""
    alice = cast["owner"]
    one = factory.insert("notifications", alice.user["_id"])
    assert tell([one], ask(key_of(app, alice, {"notifications:read"}), "/me/stream"))
    assert ask(key_of(app, alice, SCOPES - {"notifications:read"}), "/me/stream")[0] == 403
