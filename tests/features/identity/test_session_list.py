"""Sessions as a resource: one sees one's own, and ends them one by one."""

import pytest

from tests.conftest import Client, sign_up
from tests.identity import PASSWORD


@pytest.fixture
def user(app, name):
    return sign_up(app, name)


def another_device(app, user):
    body = {"login": user.user["username"], "password": PASSWORD}
    tokens = Client(app).call("POST", "/auth/login", json=body, headers={"User-Agent": "a phone"}).json
    return Client(app, tokens["access_token"]), tokens["refresh_token"]


def session_of(user, device):
    return next(one for one in user.get("/sessions").json["_items"] if one["device"] == device)


def test_sessions_show_device_network_and_times(app, user):
    another_device(app, user)
    shown = session_of(user, "a phone")
    assert shown["address"] == "127.0.0.0/24"
    assert all(shown[name].endswith("Z") for name in ("_created", "last_used_at", "expires_at"))


def test_sessions_show_no_token(app, user):
    _, refresh_token = another_device(app, user)
    assert "mqr_" not in user.get("/sessions").text and refresh_token not in user.get("/sessions").text


def test_nobody_sees_anothers_sessions(app, user, bob, dana):
    shown = user.get("/sessions").json["_items"][0]
    assert bob.get(f"/sessions/{shown['_id']}").status_code == 404
    assert dana.get(f"/sessions/{shown['_id']}").status_code == 404
    assert shown["_id"] not in bob.get("/sessions").text


def test_deleting_a_session_signs_that_device_out_at_once(app, user):
    phone, refresh_token = another_device(app, user)
    assert phone.get("/me").status_code == 200
    assert user.delete(f"/sessions/{session_of(user, 'a phone')['_id']}").status_code == 204
    assert phone.get("/me").status_code == 401
    assert Client(app).post("/auth/refresh", {"refresh_token": refresh_token}).status_code == 401
    assert user.get("/me").status_code == 200


def test_nobody_ends_anothers_session(app, user, bob):
    phone, _ = another_device(app, user)
    assert bob.delete(f"/sessions/{session_of(user, 'a phone')['_id']}").status_code == 404
    assert phone.get("/me").status_code == 200


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_a_session_can_be_neither_made_nor_changed_by_hand(app, user, method):
    path = "/sessions" if method == "POST" else f"/sessions/{user.get('/sessions').json['_items'][0]['_id']}"
    answer = user.call(method, path, json={"device": "x"}, headers={"If-Match": "*"})
    assert answer.status_code == 405


def test_refreshing_notes_when_a_session_was_last_used(app, user):
    _, refresh_token = another_device(app, user)
    before = session_of(user, "a phone")
    app.services.db["sessions"].update_many(
        {"device": "a phone"}, [{"$set": {"last_used_at": "$expires_at"}}]
    )
    Client(app).post("/auth/refresh", {"refresh_token": refresh_token})
    assert session_of(user, "a phone")["last_used_at"][:16] == before["last_used_at"][:16]


def test_sessions_are_for_who_is_signed_in(anonymous):
    assert anonymous.get("/sessions").status_code == 401
