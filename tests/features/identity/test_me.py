"""The caller's own account: show, change, export, erase."""

import io
import json
import zipfile

import pytest
from pymongo.errors import AutoReconnect

from tests.conftest import Client, sign_up
from tests.identity import PASSWORD, work_off


@pytest.fixture
def user(app, name):
    return sign_up(app, name)


def test_me_is_the_caller_with_his_private_fields(user):
    answer = user.get("/me")
    assert answer.json["username"] == user.user["username"]
    assert answer.json["email"] == f"{user.user['username']}@example.org" and answer.json["role"] == "user"
    assert "password" not in answer.text and "username_key" not in answer.text


def test_nobody_is_me_without_signing_in(anonymous):
    answer = anonymous.get("/me")
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_one_changes_ones_display_name_and_settings(user):
    answer = user.patch("/me", {"display_name": "Ada", "settings": {"history_paused": True}})
    assert answer.status_code == 200, answer.json
    shown = user.get("/me").json
    assert shown["display_name"] == "Ada" and shown["settings"]["history_paused"] is True


def test_a_change_needs_the_etag_that_was_seen(user):
    assert user.call("PATCH", "/me", json={"display_name": "Ada"}).json["reason"] == "etag_required"
    assert user.patch("/me", {"display_name": "Ada"}, etag="stale").status_code == 412
    assert user.patch("/me", {"display_name": "Ada"}, etag=user.get("/me").json["_etag"]).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("role", "admin"),
        ("status", "suspended"),
        ("email_verified", True),
        ("email", "victim@example.org"),
        ("username", "someone"),
        ("counters", {"channels": 9}),
        ("_id", "0" * 24),
        ("password_hash", "x"),
    ],
)
@pytest.mark.parametrize("path", ["/me", "/users/{id}"])
def test_nobody_gives_himself_rights(app, user, path, field, value):
    before = app.store.get("users", user.user["_id"])
    answer = user.patch(path.format(id=user.user["_id"]), {field: value})
    assert answer.status_code in (400, 422), answer.json
    assert app.store.get("users", user.user["_id"]) == before


def test_an_admin_changes_a_role_at_once_and_it_is_audited(app, user, dana):
    answer = dana.patch(f"/users/{user.user['_id']}", {"role": "moderator"})
    assert answer.status_code == 200, answer.json
    assert user.get("/me").json["role"] == "moderator"
    entry = app.services.db["audit_log"].find_one({"action": "role_changed", "target.id": user.user["_id"]})
    assert entry["actor"] == dana.user["_id"] and entry["detail"] == {"from": "user", "to": "moderator"}
    assert entry["request_id"] == answer.headers["X-Request-Id"]


def test_suspension_by_an_admin_acts_on_the_next_request(user, dana):
    assert user.get("/me").status_code == 200
    assert dana.patch(f"/users/{user.user['_id']}", {"status": "suspended"}).status_code == 200
    assert user.get("/me").status_code == 401
    assert sign_in_again(user).json["reason"] == "account_suspended"
    assert dana.patch(f"/users/{user.user['_id']}", {"status": "active"}).status_code == 200
    assert user.get("/me").status_code == 401, "what was ended does not come back"
    assert sign_in_again(user).status_code == 200


def sign_in_again(user):
    return Client(user.app).post("/auth/login", {"login": user.user["username"], "password": PASSWORD})


def test_the_audit_log_is_read_by_admins_only(alice, carol, dana, anonymous):
    assert dana.get("/audit_log").status_code == 200
    assert alice.get("/audit_log").status_code == carol.get("/audit_log").status_code == 403
    assert anonymous.get("/audit_log").status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_not_even_an_admin_rewrites_the_audit_log(app, dana, user, method):
    dana.patch(f"/users/{user.user['_id']}", {"role": "moderator"})
    entry = app.services.db["audit_log"].find_one({"target.id": user.user["_id"]})
    path = "/audit_log" if method == "POST" else f"/audit_log/{entry['_id']}"
    body = {"action": "nothing happened"}
    assert dana.call(method, path, json=body, headers={"If-Match": "*"}).status_code == 405
    assert app.services.db["audit_log"].find_one({"_id": entry["_id"]}) == entry


# Export


def exported(app, user):
    asked = user.post("/me/export")
    assert asked.status_code == 202
    work_off(app)
    return asked.json["_links"]["download"]["href"]


def test_an_export_is_a_zip_of_everything_of_mine(app, user):
    user.post("/channels", {"handle": user.user["username"], "name": "My channel"})
    answer = user.get(exported(app, user))
    assert answer.status_code == 200 and answer.mimetype == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    account = json.loads(archive.read("account.jsonl"))
    assert account["email"] == f"{user.user['username']}@example.org"
    assert json.loads(archive.read("channels.jsonl"))["name"] == "My channel"
    assert json.loads(archive.read("sessions.jsonl"))["address"] == "127.0.0.0/24"
    assert "export_asked" in archive.read("audit_log.jsonl").decode()


def test_an_export_holds_nothing_secret_and_nothing_of_others(app, user, bob):
    bob.post("/channels", {"handle": "bobs", "name": "Bob's channel"})
    archive = zipfile.ZipFile(io.BytesIO(user.get(exported(app, user)).data))
    everything = b"".join(archive.read(name) for name in archive.namelist()).decode()
    assert "argon2" not in everything and "password_hash" not in everything and "Bob's" not in everything


def test_nobody_downloads_anothers_export(app, user, bob):
    href = exported(app, user)
    assert bob.get(href).status_code == 404


def test_an_export_that_is_not_made_yet_is_not_found(app, user):
    assert user.get(user.post("/me/export").json["_links"]["download"]["href"]).status_code == 404


# Erasure


def erase(user, password=PASSWORD):
    return user.call("DELETE", "/me", json={"password": password})


def test_erasing_an_account_takes_its_password(app, user):
    assert erase(user, "wrong password").status_code == 403
    assert app.store.get("users", user.user["_id"])


def test_an_erased_account_leaves_no_secret_no_session_and_no_address(app, user):
    user_id, name = user.user["_id"], user.user["username"]
    key = user.post("/api_keys", {"name": "ci", "scopes": ["users:read"]}).json["key"]
    user.get(exported(app, user))
    assert erase(user).status_code == 204
    work_off(app)
    assert user.get("/me").status_code == Client(app, key).get("/me").status_code == 401
    db = app.services.db
    for collection, field in (
        ("users", "_id"), ("credentials", "_id"), ("sessions", "user"), ("refresh_tokens", "user"),
        ("api_keys", "user"), ("one_time_tokens", "user"), ("exports.files", "metadata.user"),
    ):  # fmt: skip
        assert db[collection].count_documents({field: user_id}) == 0, collection
    for collection in db.list_collection_names():
        held = str(list(db[collection].find()))
        assert f"{name}@example.org" not in held, f"the address is still in {collection}"


def test_an_erased_name_can_be_taken_again(app, user):
    erase(user)
    body = {"username": user.user["username"], "email": "new@example.org", "password": PASSWORD}
    assert Client(app).post("/auth/register", body).status_code == 201


def test_an_erasure_is_audited_without_a_name(app, user):
    erase(user)
    entry = app.services.db["audit_log"].find_one({"action": "account_deleted", "actor": user.user["_id"]})
    assert user.user["username"] not in str(entry)


def test_account_and_its_secrets_go_together_or_not_at_all(app, user, monkeypatch):
    """Nobody looks for the secrets and addresses of an account that is not there any more."""

    def drop(*_, **__):
        raise AutoReconnect("gone")

    monkeypatch.setattr("features.identity.account_routes.note", drop)
    assert erase(user).status_code == 503
    id_ = user.user["_id"]
    assert app.store.get("users", id_) and app.services.db["credentials"].find_one({"_id": id_})
