"""The holes of Eve as it comes (each was reproduced on plain Eve), tried one by one on this application."""

import json
import time

import pytest
from bson import ObjectId

from tests.audience import make_ready
from tests.conftest import Client

SENTINEL = "sentinel-of-the-victim"


@pytest.fixture(scope="module")
def victim(app, alice):
    """A channel with a secret in it, a public video that is READY, and a private one."""
    channel = alice.post(
        "/channels", {"handle": "victim", "name": "Victim", "defaults": {"category": SENTINEL}}
    ).json
    public = alice.post(
        "/videos", {"channel": channel["_id"], "title": "Public", "visibility": "public"}
    ).json
    private = alice.post("/videos", {"channel": channel["_id"], "title": SENTINEL}).json
    make_ready(app.store, ObjectId(public["_id"]))
    return {"channel": channel, "public": public, "private": private}


@pytest.fixture
def untouched(app, victim):
    """Compare all documents before and after."""
    names = ("users", "channels", "videos", "comments")
    before = {name: list(app.store.collection(name).find().sort("_id", 1)) for name in names}
    yield
    assert {name: list(app.store.collection(name).find().sort("_id", 1)) for name in names} == before


@pytest.mark.parametrize(
    "where",
    [
        '"$where"=="sleep(1500)||true"',
        '{"$where":"sleep(1500)||true"}',
        '{"category":{"$where":"sleep(1500)"}}',
        '{"$or":[{"$where":"sleep(1500)"}]}',
        '{"$and":[{"category":"x"},{"$function":{"body":"sleep(1500)"}}]}',
        '{"category":{"$regex":"(a+)+$"}}',
        '{"$expr":{"$function":{"body":"f","args":[],"lang":"js"}}}',
    ],
)
def test_where_runs_no_code_in_the_database(anonymous, untouched, where):
    began = time.perf_counter()
    answer = anonymous.get("/videos", query_string={"where": where})
    assert answer.status_code == 400 and time.perf_counter() - began < 0.5


def test_the_database_itself_runs_no_javascript(app):
    from pymongo.errors import OperationFailure

    with pytest.raises(OperationFailure):
        list(app.store.collection("videos").find({"$where": "true"}))


@pytest.mark.parametrize(
    "where",
    [
        {"$expr": {"$eq": [{"$substrCP": ["$username_key", 0, 1]}, "a"]}},
        {"username_key": "alice"},
        {"email": "alice@example.org"},
        {"email": {"$gt": "a"}},
        {"email": {"$exists": True}},
        {"role": "admin"},
        {"settings.history_paused": True},
        {"$or": [{"username": "alice"}, {"email": "x"}]},
        {"username": {"$regex": "^a"}},
    ],
)
def test_filters_are_no_oracle_on_hidden_fields(bob, untouched, where):
    answer = bob.get("/users", query_string={"where": json.dumps(where)})
    assert answer.status_code == 400 and "_items" not in answer.json


@pytest.mark.parametrize(
    "sort", ["email", "-email", "role", "username_key", '[("email",1)]', "settings", "status"]
)
def test_sorts_are_no_oracle_on_hidden_fields(bob, untouched, sort):
    assert bob.get("/users", query_string={"sort": sort}).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        'projection={"name":"$handle_key"}',
        'projection={"defaults":1}',
        'projection={"name":0}',
        "fields=$handle_key",
        "fields=defaults.category",
        "fields=handle_key",
        'embedded={"owner.email":1}',
        'embedded={"channel":1}',
        "fields=*",
    ],
)
def test_projection_tricks_show_nothing(anonymous, victim, query):
    answer = anonymous.get(f"/channels/{victim['channel']['_id']}?{query}")
    assert answer.status_code == 400 and SENTINEL not in answer.text


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "query", ['projection={"title":1}', "projection={}", "fields=title", 'projection={"owner":0}']
)
def test_projection_on_a_write_opens_nothing(bob, victim, untouched, method, query):
    body = (
        {"title": "stolen", "channel": victim["channel"]["_id"], "owner": None}
        if method != "DELETE"
        else None
    )
    path = f"/videos/{victim['public']['_id']}?{query}"
    answer = bob.call(method, path, json=body, headers={"If-Match": "*"})
    assert answer.status_code in (400, 403)


@pytest.mark.parametrize("override", ["DELETE", "PATCH", "PUT"])
@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_methods_are_not_overridden(alice, victim, untouched, override, header, method):
    for path in (
        "/videos",
        f"/videos/{victim['public']['_id']}",
        f"/channels/{victim['channel']['_id']}/videos",
    ):
        answer = alice.call(
            method,
            path,
            headers={header: override},
            data=b"{}" if method == "POST" else None,
        )
        assert answer.status_code in ((200,) if method == "GET" else (400, 405, 415))


def test_lists_cannot_be_wiped(dana, untouched):
    for path in ("/videos", "/users", "/channels", "/comments"):
        assert dana.call("DELETE", path, headers={"If-Match": "*"}).status_code == 405


def test_embedding_shows_no_hidden_field_and_no_hidden_document(app, anonymous, alice, victim):
    answer = anonymous.get(f"/videos/{victim['public']['_id']}?embedded=channel,owner")
    assert answer.json["channel"]["handle"] == "victim"
    assert SENTINEL not in answer.text and "email" not in answer.json["owner"]


def test_deleted_document_is_not_in_its_404_nor_shown_by_asking(alice, bob, anonymous, victim):
    made = alice.post("/videos", {"channel": victim["channel"]["_id"], "title": SENTINEL}).json
    alice.delete(f"/videos/{made['_id']}")
    for client in (anonymous, bob, alice):
        for query in ("", "?show_deleted=1", "?deleted=true", "?show_deleted"):
            answer = client.get(f"/videos/{made['_id']}{query}")
            assert answer.status_code in (400, 404) and SENTINEL not in answer.text
    assert SENTINEL not in bob.get("/videos?deleted=true&sort=-_id").text
    assert anonymous.get("/videos?show_deleted=1").status_code == 400


def test_deleted_document_takes_no_writes(app, alice, victim):
    made = alice.post("/videos", {"channel": victim["channel"]["_id"], "title": "x"}).json
    alice.delete(f"/videos/{made['_id']}")
    before = app.store.get("videos", ObjectId(made["_id"]))
    assert alice.patch(f"/videos/{made['_id']}", {"title": "y"}).status_code == 404
    assert (
        alice.put(f"/videos/{made['_id']}", {"channel": made["channel"], "title": "y"}, "*").status_code
        == 404
    )
    assert alice.delete(f"/videos/{made['_id']}").status_code == 404
    assert app.store.get("videos", ObjectId(made["_id"])) == before


@pytest.mark.parametrize(
    "query", ["aggregate={}", 'aggregate={"$match":{}}', "pipeline=[]", "page=2", "max_results=0"]
)
def test_eves_other_parameters_are_unknown(anonymous, query):
    for path in ("/videos", "/users", "/channels"):
        assert anonymous.get(f"{path}?{query}").status_code == 400


def test_put_creates_nothing_and_resets_nothing(app, alice, victim, untouched):
    assert (
        alice.put(
            f"/videos/{ObjectId()}", {"channel": victim["channel"]["_id"], "title": "x"}, "*"
        ).status_code
        == 404
    )
    counters = {"counters": {"views": 0}}
    body = {"channel": victim["channel"]["_id"], "title": "x", **counters}
    assert alice.put(f"/videos/{victim['public']['_id']}", body, "*").status_code == 422


def test_nested_patch_does_not_write_back_old_counters(app, alice, victim):
    id_ = ObjectId(victim["channel"]["_id"])
    etag = app.store.get("channels", id_)["_etag"]
    app.store.collection("channels").update_one({"_id": id_}, {"$inc": {"counters.views": 5}})
    assert alice.patch(f"/channels/{id_}", {"defaults": {"language": "en"}}, etag).status_code == 200
    assert app.store.get("channels", id_)["counters"]["views"] == 5


def test_delete_is_a_compare_and_swap_too(app, alice, victim):
    made = alice.post("/videos", {"channel": victim["channel"]["_id"], "title": "x"}).json
    app.store.change("videos", {"_id": ObjectId(made["_id"])}, set={"title": "y"})
    assert alice.delete(f"/videos/{made['_id']}", made["_etag"]).status_code == 412


def test_workers_write_leaves_no_stale_304(app, alice, victim):
    path = f"/videos/{victim['public']['_id']}"
    etag = alice.get(path).headers["ETag"]
    app.store.change("videos", {"_id": ObjectId(victim["public"]["_id"])}, set={"duration": 5.5})
    assert alice.get(path, headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "text/plain",
        "text/json",
        "application/xml",
        "application/json-seq",
        "application/vnd.api+json",
        "",
    ],
)
def test_only_json_is_taken(alice, victim, untouched, kind):
    for data in (b"handle=csrf&name=x", b'{"handle":"csrf","name":"x"}'):
        answer = alice.call("POST", "/channels", data=data, content_type=kind or None)
        assert answer.status_code == 415 and answer.json["reason"] == "unsupported_media_type"


def test_no_xml_and_no_jsonp(anonymous):
    assert anonymous.get("/videos?max_results=17", headers={"Accept": "application/xml"}).status_code == 406
    assert anonymous.get("/videos?callback=steal").status_code == 400
    assert anonymous.get("/videos", headers={"Accept": "text/html,*/*;q=0.1"}).mimetype == "application/json"


@pytest.mark.parametrize(
    "header",
    ["Basic YWxpY2U6eA==", "Digest x", "Token abc", "bearer", "Bearer", "Bearer  ", "Bearer a b", "ApiKey x"],
)
def test_no_other_scheme_signs_anybody_in(app, untouched, header):
    for path in ("/videos", "/users", "/"):
        answer = Client(app).get(path, headers={"Authorization": header})
        assert answer.status_code == 401 and "Bearer" in answer.headers["WWW-Authenticate"]


def test_wrong_role_is_403_and_no_name_is_401_with_a_bearer_challenge(bob, anonymous):
    assert bob.get("/audit_log").status_code == 403
    refused = anonymous.get("/audit_log")
    assert refused.status_code == 401 and refused.headers["WWW-Authenticate"].startswith("Bearer")


def test_owners_playlist_may_name_anothers_public_video(app, bob, victim):
    if "playlists" not in app.registry:
        pytest.skip("no playlists")
    playlist = bob.post("/playlists", {"title": "Mix"}).json
    answer = bob.post(f"/playlists/{playlist['_id']}/items", {"video": victim["public"]["_id"]})
    assert answer.status_code == 201, answer.text
    hidden = bob.post(f"/playlists/{playlist['_id']}/items", {"video": victim["private"]["_id"]})
    assert hidden.status_code == 422


def test_error_pages_of_every_kind_have_the_one_shape(anonymous, alice, victim):
    answers = [
        anonymous.get("/nothing"),
        anonymous.get("/videos/zzz"),
        anonymous.call("DELETE", "/videos"),
        anonymous.post("/videos", {}),
        alice.call("POST", "/channels", data=b"{", content_type="application/json"),
        alice.call("POST", "/channels", data=b"x" * 2_000_000, content_type="application/json"),
        alice.post("/channels", {}),
        alice.call("POST", "/channels", data=b"x"),
        alice.patch(f"/channels/{victim['channel']['_id']}", {"name": "x"}, "stale"),
        alice.call("PATCH", f"/channels/{victim['channel']['_id']}", json={}),
        anonymous.get("/videos?where=1"),
    ]
    assert [a.status_code for a in answers] == [404, 404, 405, 401, 400, 413, 422, 415, 412, 428, 400]
    for answer in answers:
        assert answer.mimetype == "application/problem+json"
        assert {
            "type",
            "title",
            "status",
            "detail",
            "instance",
            "reason",
            "request_id",
            "_status",
            "_error",
        } <= set(answer.json)
