"""A read is answered in one way, whoever answers it: Flask, the front for one caller, or a page that is kept."""

import json
from dataclasses import replace

import pytest
from bson import ObjectId
from werkzeug.test import Client as Direct

from assembly import create_app
from tests.audience import make_ready

OF_THE_REQUEST = {"x-request-id", "ratelimit", "ratelimit-policy", "date"}
# Told to a cache in front of us, of pages that all processes share.
OF_THE_PAGE = {"surrogate-control", "surrogate-key"}
WHO = ["anonymous", "alice", "bob"]


@pytest.fixture(scope="module")
def paths(app, alice):
    """Reads of resources, below resources, of routes that are kept, and of what is refused."""
    channel = alice.post("/channels", {"handle": "same_answer", "name": "n"}).json["_id"]
    video = alice.post("/videos", {"channel": channel, "title": "A film", "visibility": "public"}).json["_id"]
    make_ready(app.store, ObjectId(video))
    return [
        "/channels", "/channels?max_results=1", f"/channels/{channel}", f"/channels/{channel}?fields=name",
        f"/channels/{channel}/videos", "/videos?embedded=channel", f"/videos/{video}", "/playlists", "/feed/trending",
        "/feed/home?max_results=2", "/search?q=film", "/search/suggestions?q=a", "/users", "/channels?cursor=x",
    ]  # fmt: skip


@pytest.fixture(scope="module", params=["off", "redis", "on"])
def front(request, settings, app):
    """The way into an application, by where it keeps answers. The database is that of `app`."""
    made = create_app(replace(settings, read_cache=request.param))
    yield made.wsgi_app
    made.services.close()


def ask(wsgi, path, token, **headers):
    """Return the status, the headers but for those of the one request, and the body."""
    asked = {"path": f"/api/v1{path.partition('?')[0]}", "query_string": path.partition("?")[2]}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    answer = Direct(wsgi).open(**asked, headers=headers)
    told = {name.lower(): value for name, value in answer.headers if name.lower() not in OF_THE_REQUEST}
    body = answer.get_data()
    if answer.status_code >= 400:
        body = {**json.loads(body), "request_id": ""}
        told.pop("content-length")
    return answer.status_code, told, body


def without(answer, names):
    status, told, body = answer
    return status, {name: value for name, value in told.items() if name not in names}, body


@pytest.mark.parametrize("who", WHO)
def test_same_bytes_and_headers_by_every_way(front, paths, who, request):
    token = request.getfixturevalue(who).token
    for path in paths:
        by_flask = ask(front.inner, path, token)
        made, kept = ask(front, path, token), ask(front, path, token)
        assert without(made, OF_THE_PAGE) == by_flask, path
        assert kept == made, path
        if made[0] == 200:
            assert made[1]["cache-control"] == ("private, no-cache" if token else "public, no-cache")
            assert made[1]["vary"] == "Authorization, Accept-Encoding"
            assert made[1]["x-content-type-options"] == "nosniff"
        shared = not token and front.shares and made[0] == 200
        assert OF_THE_PAGE & set(made[1]) == (OF_THE_PAGE if shared else set()), path


@pytest.mark.parametrize("who", WHO)
def test_who_has_it_is_told_so_by_every_way(front, paths, who, request):
    token = request.getfixturevalue(who).token
    for path in paths:
        status, told, _ = ask(front.inner, path, token)
        if status != 200:
            continue
        etag = told["etag"]
        for had in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            for wsgi in (front, front.inner):
                status, told, body = ask(wsgi, path, token, **{"If-None-Match": had})
                assert (status, told["etag"], body) == (304, etag, b""), (path, had)
        for wsgi in (front, front.inner):
            assert ask(wsgi, path, token, **{"If-None-Match": '"other"'})[0] == 200
