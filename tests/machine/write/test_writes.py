"""Writes: preconditions, what stays the server's, bulk, dry runs, uniqueness, and counters that follow."""

import pytest
from bson import ObjectId

from tests.audience import make_ready


@pytest.fixture
def channel(alice, name):
    return alice.post("/channels", {"handle": name, "name": "Mine"}).json


@pytest.fixture
def video(alice, channel):
    return alice.post("/videos", {"channel": channel["_id"], "title": "One"}).json


def stored(app, resource, document):
    return app.store.get(resource, ObjectId(document["_id"]))


def test_creation_answers_the_document_its_etag_and_its_place(app, alice, channel):
    answer = alice.post("/videos", {"channel": channel["_id"], "title": "New"})
    assert answer.status_code == 201
    assert {"_id", "_etag", "_created", "_updated", "_links", "status"} <= set(answer.json)
    assert answer.headers["Location"].endswith(answer.json["_links"]["self"]["href"])
    assert answer.headers["ETag"].strip('"').startswith(answer.json["_etag"])
    assert answer.json["status"] == "DRAFT" and answer.json["owner"] == str(alice.user["_id"])
    assert set(answer.json["counters"].values()) == {0}


def test_what_creation_answers_is_what_a_read_shows(alice, channel):
    made = alice.post("/videos", {"channel": channel["_id"], "title": "New", "tags": ["a"]}).json
    made.pop("_status")
    assert alice.get(f"/videos/{made['_id']}").json == made


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
def test_write_without_if_match_is_428(app, alice, video, method):
    before = stored(app, "videos", video)
    answer = alice.call(
        method, f"/videos/{video['_id']}", json={"title": "x"} if method != "DELETE" else None
    )
    assert answer.status_code == 428 and answer.json["reason"] == "etag_required"
    assert stored(app, "videos", video) == before


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("tag", ['"stale"', 'W/"stale"', '"{etag}x"', '"x{etag}"'])
def test_write_with_another_etag_is_412(app, alice, video, method, tag):
    before = stored(app, "videos", video)
    headers = {"If-Match": tag.replace("{etag}", video["_etag"])}
    body = {"channel": video["channel"], "title": "x"} if method != "DELETE" else None
    answer = alice.call(method, f"/videos/{video['_id']}", json=body, headers=headers)
    assert answer.status_code == 412 and answer.json["reason"] == "etag_mismatch"
    assert stored(app, "videos", video) == before


def test_if_match_accepts_a_list_of_tags(alice, video):
    headers = {"If-Match": f'"other", "{video["_etag"]}"'}
    assert (
        alice.call("PATCH", f"/videos/{video['_id']}", json={"title": "x"}, headers=headers).status_code
        == 200
    )


def test_stranger_learns_nothing_from_the_precondition(bob, video):
    for tag in ("*", f'"{video["_etag"]}"', '"stale"'):
        answer = bob.call("PATCH", f"/videos/{video['_id']}", json={"title": "x"}, headers={"If-Match": tag})
        assert answer.status_code == 404
    assert bob.call("DELETE", f"/videos/{video['_id']}").status_code == 404


def test_patch_gives_a_fresh_etag_and_keeps_the_rest(app, alice, video):
    answer = alice.patch(f"/videos/{video['_id']}", {"title": "Two"}, video["_etag"])
    assert answer.json["title"] == "Two" and answer.json["_etag"] != video["_etag"]
    assert answer.json["channel"] == video["channel"] and answer.json["_created"] == video["_created"]
    assert stored(app, "videos", video)["_etag"] == answer.json["_etag"]


def test_patch_merges_nested_objects_and_touches_no_counter(app, alice, channel):
    path = f"/channels/{channel['_id']}"
    app.store.collection("channels").update_one(
        {"_id": ObjectId(channel["_id"])}, {"$inc": {"counters.videos": 3}}
    )
    alice.patch(path, {"defaults": {"category": "music"}})
    shown = alice.patch(path, {"defaults": {"language": "en"}}).json
    assert shown["defaults"]["category"] == "music" and shown["defaults"]["language"] == "en"
    assert shown["counters"]["videos"] == 3


@pytest.mark.parametrize(
    "body", [{"owner": "{bob}"}, {"_id": "0123456789abcdef01234567"}, {"channel": "{other}"}]
)
def test_patch_moves_nothing_to_somebody_else(app, alice, bob, video, name, body):
    other = bob.post("/channels", {"handle": "o" + name, "name": "Other"}).json["_id"]
    body = {k: v.format(bob=bob.user["_id"], other=other) for k, v in body.items()}
    before = stored(app, "videos", video)
    assert alice.patch(f"/videos/{video['_id']}", body).status_code == 422
    assert stored(app, "videos", video) == before


def test_put_does_not_upsert(app, alice, channel):
    unknown = ObjectId()
    answer = alice.put(f"/videos/{unknown}", {"channel": channel["_id"], "title": "x"}, "*")
    assert answer.status_code == 404
    assert app.store.get("videos", unknown) is None


def test_put_replaces_what_is_the_clients_and_keeps_what_is_the_servers(app, alice, video):
    id_ = ObjectId(video["_id"])
    app.store.change(
        "videos", {"_id": id_}, set={"description": "old", "duration": 7.5, "media": {"public_id": "p"}}
    )
    app.store.collection("videos").update_one({"_id": id_}, {"$inc": {"counters.likes": 3}})
    before = app.store.get("videos", id_)
    answer = alice.put(f"/videos/{id_}", {"channel": video["channel"], "title": "Put"}, before["_etag"])
    assert answer.status_code == 200, answer.text
    after = app.store.get("videos", id_)
    assert after["title"] == "Put" and "description" not in after
    for field in ("owner", "status", "duration", "media", "counters", "_created", "deleted_at"):
        assert after[field] == before[field], field


def test_post_refuses_an_id_of_the_client(app, alice, name):
    for id_ in (str(ObjectId()), "mine", 5, None):
        answer = alice.post("/channels", {"_id": id_, "handle": name, "name": "x"})
        assert answer.status_code == 422 and "_id" in answer.json["issues"]


@pytest.mark.parametrize(
    "request_of",
    [
        lambda c, v, n: c.call(
            "POST", "/channels", json={"handle": n, "name": "x"}, headers={"Prefer": "validate-only"}
        ),
        lambda c, v, n: c.call(
            "POST", "/channels", json=[{"handle": n, "name": "x"}], headers={"Prefer": "validate-only"}
        ),
        lambda c, v, n: c.call(
            "PATCH",
            f"/videos/{v['_id']}",
            json={"title": "x"},
            headers={"Prefer": "validate-only", "If-Match": "*"},
        ),
        lambda c, v, n: c.call(
            "PUT",
            f"/videos/{v['_id']}",
            json={"title": "x", "channel": v["channel"]},
            headers={"Prefer": "validate-only", "If-Match": "*"},
        ),
        lambda c, v, n: c.call(
            "DELETE", f"/videos/{v['_id']}", headers={"Prefer": "validate-only", "If-Match": "*"}
        ),
    ],
    ids=["POST", "bulk", "PATCH", "PUT", "DELETE"],
)
def test_validate_only_writes_nothing(app, alice, video, name, request_of):
    before = [list(app.store.collection(one).find()) for one in ("channels", "videos", "users")]
    answer = request_of(alice, video, "v" + name)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Preference-Applied"] == "validate-only"
    assert [list(app.store.collection(one).find()) for one in ("channels", "videos", "users")] == before


def test_validate_only_still_judges(alice, bob, video, name):
    prefer = {"Prefer": "validate-only, respond-async", "If-Match": "*"}
    assert alice.call("POST", "/channels", json={"handle": "x"}, headers=prefer).status_code == 422
    assert (
        alice.call("PATCH", f"/videos/{video['_id']}", json={"title": ""}, headers=prefer).status_code == 422
    )
    assert (
        bob.call("PATCH", f"/videos/{video['_id']}", json={"title": "x"}, headers=prefer).status_code == 404
    )


def test_bulk_inserts_all_and_answers_each(app, alice, name):
    sent = [{"handle": f"{name}{i}", "name": f"N{i}"} for i in range(5)]
    answer = alice.post("/channels", sent)
    assert answer.status_code == 201
    assert [one["name"] for one in answer.json["_items"]] == [f"N{i}" for i in range(5)]
    assert all(one["_status"] == "OK" and one["_links"]["self"]["href"] for one in answer.json["_items"])


def test_bulk_with_one_bad_document_writes_none_and_says_which(app, alice, name):
    sent = [
        {"handle": f"{name}a", "name": "x"},
        {"handle": "!", "name": "x"},
        {"handle": f"{name}b", "name": "x"},
    ]
    answer = alice.post("/channels", sent)
    assert answer.status_code == 422
    assert [one["_status"] for one in answer.json["items"]] == ["OK", "ERR", "OK"]
    assert "handle" in answer.json["items"][1]["issues"]
    assert app.store.collection("channels").count_documents({"handle": {"$regex": f"^{name}"}}) == 0


def test_bulk_with_a_clash_inside_writes_none(app, alice, name):
    channels = alice.user["_id"]
    before = app.store.get("users", channels)["counters"]["channels"]
    answer = alice.post(
        "/channels", [{"handle": f"{name}a", "name": "x"}, {"handle": f"{name}A", "name": "x"}]
    )
    assert answer.status_code == 409 and answer.json["reason"] == "handle_taken" and answer.json["index"] == 1
    assert app.store.collection("channels").count_documents({"handle": {"$regex": f"^{name}"}}) == 0
    assert app.store.get("users", channels)["counters"]["channels"] == before


def test_bulk_of_the_largest_size_is_taken_and_one_more_is_not(alice, name):
    sent = [{"handle": f"{name}{i}", "name": "x"} for i in range(100)]
    assert alice.post("/channels", sent).status_code == 201
    assert (
        alice.post(
            "/channels", [{**one, "handle": "z" + one["handle"]} for one in sent] + sent[:1]
        ).status_code
        == 400
    )


@pytest.mark.parametrize("write", ["post", "patch", "put"])
def test_clash_is_the_same_409_for_every_method(alice, bob, channel, name, write):
    other = alice.post("/channels", {"handle": "c" + name, "name": "x"}).json
    body = {"handle": channel["handle"].upper(), "name": "x"}
    answer = {
        "post": lambda: bob.post("/channels", body),
        "patch": lambda: alice.patch(f"/channels/{other['_id']}", {"handle": body["handle"]}),
        "put": lambda: alice.put(f"/channels/{other['_id']}", body, "*"),
    }[write]()
    assert (answer.status_code, answer.json["reason"]) == (409, "handle_taken")
    assert answer.json["issues"] == {"handle": "is not unique"}


def test_counters_follow_creation_visibility_and_deletion(app, alice, channel, video):
    def count():
        return alice.get(f"/channels/{channel['_id']}").json["counters"]["videos"]

    assert count() == 0
    make_ready(app.store, ObjectId(video["_id"]), visibility="public")
    assert count() == 1
    alice.patch(f"/videos/{video['_id']}", {"visibility": "private"})
    assert count() == 0
    alice.patch(f"/videos/{video['_id']}", {"visibility": "public"})
    assert count() == 1
    alice.delete(f"/videos/{video['_id']}")
    assert count() == 0


def test_counter_leaves_the_etag_of_its_document_alone(app, alice, channel, video):
    make_ready(app.store, ObjectId(video["_id"]), visibility="public")
    assert alice.patch(f"/channels/{channel['_id']}", {"name": "Still"}, channel["_etag"]).status_code == 200


def test_unlawful_moves_of_a_state_are_refused_everywhere(app, alice, video):
    assert alice.patch(f"/videos/{video['_id']}", {"status": "READY"}).status_code == 422
    assert app.store.move("videos", {"_id": ObjectId(video["_id"])}, "status", "READY") is None
    assert stored(app, "videos", video)["status"] == "DRAFT"


def test_write_through_a_sub_resource_takes_its_parent_from_the_url(alice, channel):
    answer = alice.post(f"/channels/{channel['_id']}/videos", {"title": "Below"})
    assert answer.status_code == 201 and answer.json["channel"] == channel["_id"]
    assert answer.headers["Location"].endswith(f"/api/v1/videos/{answer.json['_id']}")


def test_nobody_publishes_into_anothers_channel(app, bob, channel):
    before = app.store.collection("videos").count_documents({})
    for path, body in (
        ("/videos", {"channel": channel["_id"], "title": "x"}),
        (f"/channels/{channel['_id']}/videos", {"title": "x"}),
    ):
        assert bob.post(path, body).status_code == 403
        assert bob.post(path, [body, body]).status_code == 403
    assert app.store.collection("videos").count_documents({}) == before
