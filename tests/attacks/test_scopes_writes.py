"""What a key's writes tell and refer to, and what is for people only: generated from the declarations."""

import secrets

import pytest

from tests import oracle
from tests.attacks.test_scopes import SCOPES, documents_of, key_of, public_part
from tests.attacks.test_url_map import ask
from tests.attacks.url_map import cases
from tests.cells import states_of
from tests.factory import DEFINITIONS, META, as_json, marker, writers
from tests.test_policy import leaks

PEOPLE_ONLY = [name for name in DEFINITIONS if oracle.policy_of(name).get("people_only")]
KEYED = [name for name in DEFINITIONS if name not in PEOPLE_ONLY]
ABOUT = [name for name in DEFINITIONS if oracle.policy_of(name).get("about")]
TOLD_OF = [name for name in DEFINITIONS if oracle.policy_of(name).get("events")]
UNSEEN = "does not exist, or you may not see it"
HOOK = {"url": "https://example.org/hook"}


@pytest.fixture(scope="module")
def every(app):
    return cases(app)


def without(app, client, *scopes):
    return key_of(app, client, SCOPES - set(scopes))


# What a write answers


@pytest.mark.parametrize("name", KEYED)
def test_a_key_that_may_write_but_not_read_is_told_nothing_by_its_writes(
    app, cast, shelf, every, name, record_property
):
    key = without(app, cast["owner"], f"{name}:read")
    wrong, tried = [], 0
    for case in (case for case in every if case.resource == name and case.method != "GET"):
        for state, above in states_of(name):
            document = shelf.take(name, state, above)
            public = {field for _, field in public_part(app, name, [document])}
            status, text = ask(key, case, document)
            beyond = set(leaks(document, set(document) - public - {*META, "username", "handle"}, text))
            tried += 1
            if beyond or status >= 500:
                wrong.append((case.name, state, above, status, sorted(beyond)))
            if app.store.get(name, document["_id"]) != document:
                shelf.drop(name, state, above)
    assert not wrong, "\n".join(map(str, wrong))
    record_property("tried", tried)


def changeable():
    """Return the resources whose owners change their documents."""
    offered = [name for name in KEYED if "PATCH" in DEFINITIONS[name].get("item_methods", ["PATCH"])]
    return [name for name in offered if "PATCH" in oracle.methods_of(name, "owner")]


@pytest.mark.parametrize("name", changeable())
def test_a_key_that_may_only_write_writes_all_the_same(app, cast, shelf, name):
    document = shelf.take(name)
    key = without(app, cast["owner"], f"{name}:read")
    answer = key.patch(f"/{name}/{document['_id']}", {})
    assert answer.status_code == 200, answer.text
    assert set(answer.json) == {"_id", "_etag", "_created", "_updated", "_links", "_status"}
    assert list(answer.json["_links"]) == ["self"]


# What a write refers to


def references():
    """Yield (resource, field, target, more of the body) of every reference that its creator sets."""
    for name, definition in DEFINITIONS.items():
        told = oracle.policy_of(name).get("references", {})
        for field, rules in definition["schema"].items():
            targets = {rules.get("data_relation", {}).get("resource"): {}}
            if field in told:
                targets = {one: {told[field]["by"]: word} for word, one in told[field]["of"].items()}
            offered = "POST" in definition.get("resource_methods", ["POST"])
            if offered and {"create", "anyone", "owner"} & set(writers(name, field)):
                yield from ((name, field, one, more) for one, more in targets.items() if one in KEYED)


@pytest.mark.parametrize(
    ("name", "field", "target", "more"),
    list(references()),
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_write_refers_to_nothing_that_the_key_may_not_read(
    app, cast, factory, shelf, name, field, target, more, record_property
):
    alice, stranger, tried = cast["owner"], oracle.Who("anonymous"), 0
    owner = oracle.Who("user", alice.user["_id"])
    seen = [one for one in documents_of(app, shelf, target) if oracle.may_read(app.store, target, one, owner)]
    for document in seen:
        body = {**factory.body(name, alice.user["_id"]), **more, field: str(document["_id"])}
        hidden = not oracle.may_read(app.store, target, document, stranger)
        answer = without(app, alice, f"{target}:read").post(f"/{name}", as_json(body))
        tried += 1
        assert (UNSEEN in str(answer.json.get("issues", {}).get(field))) is hidden, answer.text
        if hidden:
            assert answer.status_code == 422
            assert UNSEEN not in alice.post(f"/{name}", as_json(body)).text
    record_property("tried", tried)


# Copies: what events and deliveries tell of other things


@pytest.mark.parametrize("subject", TOLD_OF)
@pytest.mark.parametrize("name", ABOUT)
def test_a_key_is_told_only_of_what_it_may_read(app, cast, factory, name, subject):
    alice = cast["owner"]
    values = {oracle.policy_of(name)["about"]: f"{subject}.created"}
    document = factory.insert(name, alice.user["_id"], **values)
    narrow, wide = without(app, alice, f"{subject}:read"), key_of(app, alice, SCOPES)
    assert wide.get(f"/{name}/{document['_id']}").status_code == 200
    assert narrow.get(f"/{name}/{document['_id']}").status_code == 404
    assert not leaks(
        document, set(document), narrow.get(f"/{name}?max_results=100").text.replace(*values.values(), "")
    )


@pytest.mark.parametrize("subject", TOLD_OF)
def test_a_key_has_nothing_sent_that_it_may_not_read(app, cast, subject):
    alice = cast["owner"]
    narrow, wide = without(app, alice, f"{subject}:read"), key_of(app, alice, SCOPES)
    events = [f"{subject}.{oracle.policy_of(subject)['events'][0]}"]
    for body in (HOOK, {**HOOK, "events": []}, {**HOOK, "events": events}):
        answer = narrow.post("/webhooks", body)
        assert answer.status_code == 403 and answer.json["reason"] == "missing_scope"
        made = wide.post("/webhooks", body)
        assert made.status_code == 201, made.text
        elsewhere = narrow.patch(f"/webhooks/{made.json['_id']}", {"url": "https://example.com/mine"})
        assert elsewhere.status_code == 403 and elsewhere.json["reason"] == "missing_scope"
        assert alice.delete(f"/webhooks/{made.json['_id']}").status_code == 204


def test_a_key_is_not_answered_what_its_owner_was(app, cast):
    """An answer kept for `Idempotency-Key` is for whoever may have asked: not for a key of less reach."""
    alice = cast["owner"]
    headers, body = (
        {"Idempotency-Key": secrets.token_hex(8)},
        {"title": marker("title"), "visibility": "private"},
    )
    first = alice.post("/playlists", body, headers=headers)
    assert first.status_code == 201
    again = without(app, alice, "playlists:read", "playlists:write").post("/playlists", body, headers=headers)
    assert again.status_code == 403 and body["title"] not in again.text
    written = without(app, alice, "playlists:read").post("/playlists", body, headers=headers)
    assert written.status_code == 201 and body["title"] not in written.text


# For people only


@pytest.mark.parametrize("name", PEOPLE_ONLY)
def test_what_is_for_people_only_no_key_reaches(app, cast, shelf, every, name, record_property):
    key, tried = key_of(app, cast["owner"], SCOPES), 0
    document = shelf.take(name)
    for case in (one for one in every if name in (one.resource, one.rule.rsplit("/", 1)[-1])):
        status, text = ask(key, case, document)
        tried += 1
        assert status in (403, 405) and not leaks(document, set(document), text), case.name
        assert status == 405 or "session_required" in text, text
    assert app.store.get(name, document["_id"]) == document
    assert tried >= 3
    record_property("tried", tried)


@pytest.mark.parametrize("deed", ["read", "write"])
@pytest.mark.parametrize("name", PEOPLE_ONLY)
def test_nobody_may_ask_for_a_scope_of_what_is_for_people_only(cast, name, deed):
    answer = cast["owner"].post("/api_keys", {"name": "x", "scopes": [f"{name}:{deed}"]})
    assert answer.status_code == 422 and "scopes" in answer.json["issues"]


def test_sessions_and_keys_are_for_people_only():
    assert set(PEOPLE_ONLY) == {"api_keys", "sessions"}


# What routes read and write of their own


OTHERS = {
    "/videos/{videos}/stats": "video_stats",
    "/channels/{channels}/stats": "video_stats",
    "/me/playlisted?ids={videos}": "playlist_items",
    "/me/liked": "videos",
    "/feed/subscriptions": "videos",
}


@pytest.mark.parametrize(("path", "resource"), OTHERS.items())
def test_a_route_asks_for_the_scope_of_everything_that_it_tells(app, cast, shelf, path, resource):
    ids = {name: shelf.take(name)["_id"] for name in ("videos", "channels")}
    alice = cast["owner"]
    assert key_of(app, alice, SCOPES).get(path.format(**ids)).status_code == 200
    refused = without(app, alice, f"{resource}:read").get(path.format(**ids))
    assert refused.status_code == 403 and refused.json["reason"] == "missing_scope"


@pytest.mark.parametrize("lacking", ["subscriptions:read", "watch_history:read"])
def test_the_home_feed_of_a_key_that_may_not_read_what_shapes_it_is_a_strangers(app, cast, shelf, lacking):
    alice, video = cast["owner"], shelf.take("videos")
    assert alice.put(f"/channels/{video['channel']}/subscription", {}).status_code == 200

    def reasons(client):
        return {one["reason"] for one in client.get("/feed/home").json["_items"]}

    assert "subscribed" in reasons(alice) and "subscribed" in reasons(key_of(app, alice, SCOPES))
    assert reasons(without(app, alice, lacking)) == reasons(cast["anonymous"])


def test_a_heartbeat_is_remembered_only_by_a_key_that_may_write_the_history(app, cast, shelf):
    video, bob = shelf.take("videos"), cast["stranger"]
    mine = {"user": bob.user["_id"], "video": video["_id"]}
    history = app.store.collection("watch_history")
    path = f"/videos/{video['_id']}/views"
    assert without(app, bob, "watch_history:write").post(path, {"position": 3}).status_code == 200
    assert history.count_documents(mine) == 0
    assert key_of(app, bob, SCOPES).post(path, {"position": 3}).status_code == 200
    assert history.count_documents(mine) == 1
