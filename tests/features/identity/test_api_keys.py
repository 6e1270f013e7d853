"""API keys: shown once, hashed, as narrow as their scopes, gone when revoked or expired."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from tests.conftest import Client, sign_up
from tests.identity import elsewhere


@pytest.fixture
def user(app, name):
    return sign_up(app, name)


def make(user, *scopes, **more):
    answer = user.post("/api_keys", {"name": "ci", "scopes": list(scopes), **more})
    assert answer.status_code == 201, answer.json
    return answer.json


def with_key(app, made):
    return Client(app, made["key"])


def test_a_key_is_shown_once_and_stored_hashed(app, user):
    made = make(user, "users:read")
    assert made["key"].startswith("mqk_")
    assert "key" not in user.get(f"/api_keys/{made['_id']}").json
    for collection in app.services.db.list_collection_names():
        assert made["key"] not in str(list(app.services.db[collection].find()))


def test_a_key_works_wherever_a_token_does_within_its_scopes(app, user):
    key = with_key(app, make(user, "channels:write", "channels:read"))
    body = {"handle": user.user["username"], "name": "By a program"}
    assert key.post("/channels", body).status_code == 201
    assert key.get("/channels").status_code == 200


def test_a_key_does_not_reach_beyond_its_scopes(app, user):
    key = with_key(app, make(user, "channels:read"))
    refusal = key.post("/channels", {"handle": user.user["username"], "name": "By a program"})
    assert refusal.status_code == 403 and refusal.json["reason"] == "missing_scope"
    assert key.get("/sessions").status_code == 403
    assert key.get("/me").status_code == 403


def test_a_key_reaches_no_further_than_its_owner(app, user, dana):
    key = with_key(app, make(user, "users:write", "users:read"))
    assert key.patch(f"/users/{dana.user['_id']}", {"display_name": "Mallory"}).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api_keys", {"name": "x", "scopes": ["users:read"]}),
        ("POST", "/auth/logout", None),
        ("POST", "/auth/logout-all", None),
        ("POST", "/auth/password", {"current": "x", "password": "another password"}),
        ("POST", "/me/email", {"email": "x@example.org", "password": "x"}),
        ("POST", "/me/totp", {"password": "x"}),
        ("POST", "/me/export", None),
        ("DELETE", "/me", {"password": "x"}),
    ],
)
def test_a_key_never_acts_on_the_account_itself(app, user, method, path, body):
    key = with_key(app, make(user, "users:write", "users:read"))
    answer = key.call(method, path, json=body)
    assert answer.status_code == 403 and answer.json["reason"] == "session_required"


@pytest.mark.parametrize("resource", ["sessions", "api_keys"])
def test_a_key_of_before_never_sees_or_ends_sessions_and_keys(app, user, resource):
    """Such scopes were once given out; what a key of then says of itself is not asked any more."""
    made = make(user, "users:read")
    scopes = [f"{resource}:{deed}" for deed in ("read", "write")]
    app.store.change("api_keys", {"_id": ObjectId(made["_id"])}, set={"scopes": scopes})
    key, mine = with_key(app, made), app.store.collection(resource).find_one({"user": user.user["_id"]})
    item = f"/{resource}/{mine['_id']}"
    for answer in (key.get(f"/{resource}"), key.get(item), key.delete(item)):
        assert answer.status_code == 403 and answer.json["reason"] == "session_required"
    assert app.store.get(resource, mine["_id"]) is not None
    assert user.post("/api_keys", {"name": "x", "scopes": scopes[1:]}).status_code == 422


def test_a_deleted_key_is_refused_at_once_in_another_process(app, settings, user):
    made = make(user, "users:read")
    other = elsewhere(settings)
    assert other.tokens.verify(made["key"]).scopes == {"users:read"}
    assert user.delete(f"/api_keys/{made['_id']}").status_code == 204
    with pytest.raises(Exception, match="revoked"):
        other.tokens.verify(made["key"])
    assert with_key(app, made).get("/me").status_code == 401
    other.close()


def test_a_key_expires(app, user):
    made = make(user, "users:read", expires_in=60)
    assert with_key(app, made).get("/me").status_code == 200
    past = datetime.now(UTC) - timedelta(seconds=1)
    app.store.change("api_keys", {"_id": ObjectId(made["_id"])}, set={"expires_at": past})
    app.services.tokens.proofs.clear()
    app.services.redis.delete(f"auth:g:{made['_id']}")
    assert with_key(app, made).get("/me").status_code == 401


def test_a_suspended_users_keys_are_refused_at_once(app, user):
    key = with_key(app, make(user, "users:read"))
    assert key.get("/me").status_code == 200
    app.store.change("users", {"_id": user.user["_id"]}, set={"status": "suspended"})
    assert key.get("/me").status_code == 401


def test_the_wrong_secret_of_a_right_key_is_refused(app, user):
    made = make(user, "users:read")
    assert Client(app, made["key"][:-4] + "AAAA").get("/me").status_code == 401


def test_the_last_use_is_noted_and_the_etag_stays(app, user):
    made = make(user, "users:read")
    assert made["last_used_at"] is None
    with_key(app, made).get("/me")
    shown = user.get(f"/api_keys/{made['_id']}").json
    assert shown["last_used_at"] is not None and shown["_etag"] == made["_etag"]


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": ["users:read"]},
        {"name": "ci", "scopes": []},
        {"name": "ci", "scopes": ["users:own"]},
        {"name": "ci", "scopes": ["everything"]},
        {"name": "ci", "scopes": "users:read"},
        {"name": "ci", "scopes": ["users:read"], "expires_in": -1},
        {"name": "ci", "scopes": ["users:read"], "user": "0" * 24},
    ],
)
def test_a_poor_request_makes_no_key(app, user, body):
    assert user.post("/api_keys", body).status_code == 422
    assert app.services.db["api_keys"].count_documents({"user": user.user["_id"]}) == 0


def test_nobody_sees_or_deletes_anothers_key(app, user, bob):
    made = make(user, "users:read")
    assert bob.get(f"/api_keys/{made['_id']}").status_code == 404
    assert bob.delete(f"/api_keys/{made['_id']}").status_code == 404
    assert with_key(app, made).get("/me").status_code == 200


def test_making_a_key_is_audited_without_the_key(app, user):
    made = make(user, "users:read")
    entry = app.services.db["audit_log"].find_one({"target.id": ObjectId(made["_id"])})
    assert entry["action"] == "api_key_made" and made["key"] not in str(entry)


def test_a_key_reaches_routes_of_the_resource_it_is_for(app, user):
    key = with_key(app, make(user, "playlists:read"))
    assert key.get("/me/watch-later").status_code == 200
    refusal = key.put(f"/me/watch-later/{'0' * 24}")
    assert refusal.status_code == 403 and refusal.json["reason"] == "missing_scope"


def test_no_route_for_signed_in_callers_forgets_to_ask_what_a_key_may(app, user):
    """A key for something else is refused by every such route, whoever writes it and whatever it does."""
    key = with_key(app, make(user, "audit_log:read"))
    reached = []
    for rule in app.url_map.iter_rules():
        spec = getattr(app.view_functions[rule.endpoint], "spec", None)
        if spec is None or spec.action or spec.access == "anyone":
            continue
        path = re.sub("<[^>]+>", "0" * 24, rule.rule)
        answer = key.call(spec.method, path, json={} if spec.body is not None else None)
        if answer.status_code != 403:
            reached.append((spec.method, rule.rule, answer.status_code))
    assert reached == []
