"""What the front answers somebody who is signed in is what Flask would have answered, and is his alone."""

import json

import pytest
from werkzeug.test import Client as Direct

OF_THE_REQUEST = {"x-request-id", "ratelimit", "ratelimit-policy", "date"}
EMBEDDED = '{"channel":1}'


@pytest.fixture(scope="module")
def paths(alice):
    """Lists, items and lists below items; some are hidden from some, and some are nonsense."""
    channel = alice.post("/channels", {"handle": "frontal", "name": "n"}).json["_id"]
    video = alice.post("/videos", {"channel": channel, "title": "A film"}).json["_id"]
    return [
        "/videos", f"/videos?max_results=2&embedded={EMBEDDED}", f"/videos/{video}", "/channels?fields=name",
        f"/channels/{channel}", f"/channels/{channel}/videos", "/comments", f"/videos/{video}/comments",
        "/playlists", "/users", "/watch_history", "/videos?cursor=nonsense", "/videos?where={", "/videos?page=2",
        "/videos/ffffffffffffffffffffffff", "/nothing", "/channels/@frontal", "/videos?max_results=0", "/me",
    ]  # fmt: skip


def plain(response):
    headers = {key.lower(): value for key, value in response.headers if key.lower() not in OF_THE_REQUEST}
    body = response.get_data()
    if response.status_code >= 400:
        body = {**json.loads(body), "request_id": ""}
        headers.pop("content-length")
    return response.status_code, headers, body


@pytest.mark.parametrize("who", ["alice", "bob", "carol", "dana"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_front_answers_as_flask_does(app, paths, who, method, request):
    headers = {"Authorization": f"Bearer {request.getfixturevalue(who).token}"}
    for path in paths:
        asked = {"path": f"/api/v1{path.partition('?')[0]}", "query_string": path.partition("?")[2]}
        asked |= {"method": method, "headers": headers}
        front, flask = Direct(app.wsgi_app).open(**asked), Direct(app.wsgi_app.inner).open(**asked)
        if method == "HEAD":
            assert (front.status_code, front.headers.get("ETag")) == (
                flask.status_code,
                flask.headers.get("ETag"),
            )
        else:
            assert plain(front) == plain(flask), path


def test_read_of_who_is_signed_in_does_not_reach_flask(app, alice, paths, monkeypatch):
    def refuse(environ, start_response):
        raise AssertionError("Flask was asked")

    monkeypatch.setattr(app.wsgi_app, "inner", refuse)
    for path in paths[:6]:
        answer = alice.get(path)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert "Authorization" in answer.headers["Vary"]
        assert "Surrogate-Key" not in answer.headers


def test_own_page_is_kept_for_nobody(app, alice, bob, anonymous, paths):
    hidden = paths[2]
    assert alice.get(hidden).status_code == 200
    assert bob.get(hidden).status_code == anonymous.get(hidden).status_code == 404
    assert not any(hidden in key for key in app.wsgi_app.finished_answers.memory)


def test_who_has_it_already_is_told_so(alice, paths):
    etag = alice.get(paths[2]).headers["ETag"]
    again = alice.get(paths[2], headers={"If-None-Match": etag})
    assert (again.status_code, again.get_data()) == (304, b"")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "mqk_0000000000000000"])
def test_bad_token_is_401_whatever_is_asked(anonymous, paths, token):
    for path in paths[:9]:
        answer = anonymous.get(path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
        assert answer.json["reason"] == "invalid_token"


def test_refused_read_is_counted_once(app, alice, monkeypatch):
    hits = []
    limiter = app.services.limiter
    hit = limiter.hit
    monkeypatch.setattr(limiter, "hit", lambda *asked, **more: hits.append(asked) or hit(*asked, **more))
    assert alice.get("/videos/ffffffffffffffffffffffff").status_code == 404
    assert [one[0] for one in hits] == ["read"]


def test_request_id_is_echoed(alice):
    assert (
        alice.get("/videos", headers={"X-Request-Id": "abc_12345.x"}).headers["X-Request-Id"] == "abc_12345.x"
    )
    assert len(alice.get("/videos", headers={"X-Request-Id": "bad id"}).headers["X-Request-Id"]) > 8


@pytest.mark.parametrize("accept", ["text/xml, application/json;q=0", "application/xml", "*/*; q=0.0"])
def test_who_takes_no_json_is_refused_whoever_he_is(alice, anonymous, paths, accept):
    for caller in (alice, anonymous):
        assert caller.get("/videos", headers={"Accept": accept}).status_code == 406
