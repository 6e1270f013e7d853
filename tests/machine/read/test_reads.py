"""Reads: validators and 304, HEAD, pages, fields, embedding, links, and who sees what of it."""

import pytest
from bson import ObjectId

from tests.audience import make_ready


@pytest.fixture(scope="module")
def channel(alice):
    return alice.post("/channels", {"handle": "reads", "name": "Reads"}).json


@pytest.fixture
def video(app, alice, channel):
    """A public video that is READY."""
    made = alice.post("/videos", {"channel": channel["_id"], "title": "Seen", "visibility": "public"}).json
    return make_ready(app.store, ObjectId(made["_id"]))


def test_etag_answers_304_until_something_changes(app, anonymous, video):
    path = f"/videos/{video['_id']}"
    etag = anonymous.get(path).headers["ETag"]
    again = anonymous.get(path, headers={"If-None-Match": etag})
    assert again.status_code == 304 and again.data == b"" and again.headers["ETag"] == etag
    app.store.change("videos", {"_id": video["_id"]}, set={"title": "Other"})
    assert anonymous.get(path, headers={"If-None-Match": etag}).status_code == 200


def test_if_none_match_understands_lists_and_the_star(anonymous, video):
    path = f"/videos/{video['_id']}"
    etag = anonymous.get(path).headers["ETag"]
    assert anonymous.get(path, headers={"If-None-Match": f'"a", {etag}, "b"'}).status_code == 304
    assert anonymous.get(path, headers={"If-None-Match": f"W/{etag}"}).status_code == 304
    assert anonymous.get(path, headers={"If-None-Match": "*"}).status_code == 304
    assert anonymous.get(path, headers={"If-None-Match": '"a", "b"'}).status_code == 200


def test_a_counter_changes_the_validator_and_not_the_editors_if_match(app, alice, anonymous, video):
    path = f"/videos/{video['_id']}"
    seen = alice.get(path).headers["ETag"]
    public = anonymous.get(path).headers["ETag"]
    app.store.collection("videos").update_one({"_id": video["_id"]}, {"$inc": {"counters.likes": 1}})
    app.store.note_counted("videos", [video["_id"]])
    fresh = anonymous.get(path, headers={"If-None-Match": public})
    assert fresh.status_code == 200 and fresh.json["counters"]["likes"] == 1
    assert alice.patch(path, {"title": "Mine"}, seen.strip('"')).status_code == 200


def test_list_has_a_validator_of_its_own(app, anonymous, channel, video):
    path = f"/channels/{channel['_id']}/videos"
    etag = anonymous.get(path).headers["ETag"]
    assert anonymous.get(path, headers={"If-None-Match": etag}).status_code == 304
    app.store.collection("videos").update_one({"_id": video["_id"]}, {"$inc": {"counters.views": 1}})
    app.store.note_counted("videos", [video["_id"]])
    assert anonymous.get(path, headers={"If-None-Match": etag}).status_code == 200


def test_hidden_document_is_404_whatever_the_validator(app, alice, anonymous, video):
    path = f"/videos/{video['_id']}"
    etag = anonymous.get(path).headers["ETag"]
    app.store.change("videos", {"_id": video["_id"]}, set={"visibility": "private"})
    for tag in (etag, "*"):
        assert anonymous.get(path, headers={"If-None-Match": tag}).status_code == 404


def test_callers_do_not_share_validators_of_different_views(alice, anonymous, video):
    path = f"/videos/{video['_id']}"
    mine, theirs = alice.get(path), anonymous.get(path)
    assert mine.headers["ETag"] != theirs.headers["ETag"]
    assert anonymous.get(path, headers={"If-None-Match": mine.headers["ETag"]}).status_code == 200
    assert "Authorization" in mine.headers["Vary"] and "private" in mine.headers["Cache-Control"]


@pytest.mark.parametrize(
    "path", ["/videos/{id}", "/videos", "/channels/{channel}/videos", "/", "/channels/@reads"]
)
def test_head_is_get_without_the_body(anonymous, channel, video, path):
    path = path.format(id=video["_id"], channel=channel["_id"])
    got, head = anonymous.get(path), anonymous.call("HEAD", path)
    assert head.status_code == got.status_code == 200
    assert head.data == b"" and head.headers["Content-Length"] == str(len(got.data))
    assert head.headers.get("ETag") == got.headers.get("ETag")


def test_head_of_what_is_hidden_is_404_without_a_body(anonymous, alice, channel):
    made = alice.post("/videos", {"channel": channel["_id"], "title": "Hidden"}).json
    answer = anonymous.call("HEAD", f"/videos/{made['_id']}")
    assert answer.status_code == 404 and answer.data == b""


@pytest.mark.parametrize("path", ["/videos", "/videos/{id}", "/channels/{channel}/videos"])
def test_options_tells_the_methods_and_reads_nothing(anonymous, channel, video, path):
    answer = anonymous.call("OPTIONS", path.format(id=video["_id"], channel=channel["_id"]))
    assert answer.status_code in (200, 204), answer.text
    assert "GET" in answer.headers["Allow"]
    assert b"Seen" not in answer.data


def test_fields_narrow_an_item_and_keep_what_identifies_it(anonymous, video):
    shown = anonymous.get(f"/videos/{video['_id']}?fields=title").json
    assert set(shown) == {"_id", "_created", "_updated", "_etag", "_links", "title"}


def test_fields_narrow_a_list(anonymous, channel, video):
    items = anonymous.get(f"/channels/{channel['_id']}/videos?fields=title,visibility").json["_items"]
    assert all(
        set(one) <= {"_id", "_created", "_updated", "_etag", "_links", "title", "visibility"} for one in items
    )


def test_fields_do_not_reveal_what_is_anothers(bob, alice, channel):
    path = f"/channels/{channel['_id']}?fields=defaults,name"
    assert "defaults" not in bob.get(path).json


def test_narrowed_fields_keep_links_and_ownership(alice, channel, video):
    full = alice.get(f"/videos/{video['_id']}").json["_links"]
    assert alice.get(f"/videos/{video['_id']}?fields=title").json["_links"] == full
    listed = alice.get(f"/channels/{channel['_id']}/videos?fields=title").json["_items"]
    assert next(one for one in listed if one["_id"] == str(video["_id"]))["_links"] == full


@pytest.mark.parametrize("form", ["channel", "channel,owner", '{"channel":1}', '{"channel":1,"owner":0}'])
def test_embedding_takes_names_or_eves_own_form(anonymous, video, form):
    shown = anonymous.get(f"/videos/{video['_id']}", query_string={"embedded": form}).json
    assert shown["channel"]["handle"] == "reads" and "defaults" not in shown["channel"]


def test_handle_is_looked_up_whatever_its_case(anonymous, channel):
    for handle in ("@reads", "@READS", "@Reads"):
        assert anonymous.get(f"/channels/{handle}").json["_id"] == channel["_id"]
    assert anonymous.get("/channels/@nobody").status_code == 404


def test_links_of_a_page_can_be_followed_as_they_are(app, alice, anonymous, channel):
    for _ in range(5):
        made = alice.post("/videos", {"channel": channel["_id"], "title": "x", "visibility": "public"}).json
        make_ready(app.store, ObjectId(made["_id"]))
    first = anonymous.get(
        f'/videos?max_results=2&where={{"channel":"{channel["_id"]}"}}&fields=title,channel&embedded=channel'
    ).json
    second = anonymous.get(first["_links"]["next"]["href"]).json
    assert len(second["_items"]) == 2 and "prev" in second["_links"] and "prev" not in first["_links"]
    assert second["_items"][0]["channel"]["handle"] == "reads"
    assert anonymous.get(second["_links"]["prev"]["href"]).json["_items"] == first["_items"]
    assert anonymous.get(second["_links"]["self"]["href"]).json == second


def test_cursor_is_bound_to_its_filter_sort_and_caller(app, alice, bob, anonymous, channel):
    for _ in range(3):
        made = alice.post("/videos", {"channel": channel["_id"], "title": "x", "visibility": "public"}).json
        make_ready(app.store, ObjectId(made["_id"]))
    page = anonymous.get("/videos?max_results=1").json["_links"]["next"]["href"]
    token = page.split("cursor=")[1].split("&")[0]
    assert anonymous.get(f"/videos?max_results=7&cursor={token}").status_code == 200
    for path in (
        f'/videos?cursor={token}&where={{"category":"x"}}',
        f"/channels/{channel['_id']}/videos?cursor={token}",
        f"/channels?cursor={token}",
        f"/videos?cursor={token[:-2]}xx",
    ):
        assert anonymous.get(path).json["reason"] == "bad_cursor"
    mine = f'/videos?where={{"owner":"{alice.user["_id"]}"}}&max_results=1'
    own = alice.get(mine).json["_links"]["next"]["href"].split("cursor=")[1].split("&")[0]
    assert bob.get(f'/videos?where={{"owner":"{bob.user["_id"]}"}}&cursor={own}').status_code == 400


def test_items_show_dates_and_ids_as_the_wire_wants_them(anonymous, video):
    shown = anonymous.get(f"/videos/{video['_id']}").json
    assert shown["_created"].endswith("Z") and "." not in shown["_created"] and len(shown["_created"]) == 20
    assert isinstance(shown["_id"], str) and len(shown["_id"]) == 24


def test_everything_is_reached_by_links_from_the_entry_point(app, anonymous):
    home = anonymous.get("/").json["_links"]
    for resource in app.registry:
        link = home[resource.name]
        answers = (400,) if link.get("templated") else (200, 401)
        assert anonymous.get(link["href"].split("{")[0]).status_code in answers


def test_comments_and_captions_without_a_filter_are_ones_own(alice, bob, video):
    mine = alice.post(f"/videos/{video['_id']}/comments", {"text": "Mine."}).json["_id"]
    assert mine in [one["_id"] for one in alice.get("/comments").json["_items"]]
    assert mine not in [one["_id"] for one in bob.get("/comments").json["_items"]]
    assert alice.get("/captions").status_code == 200


def test_deleted_video_is_gone_for_all_and_listed_for_its_owner_alone(alice, bob, carol, anonymous, channel):
    made = alice.post("/videos", {"channel": channel["_id"], "title": "Gone"}).json
    assert alice.delete(f"/videos/{made['_id']}", made["_etag"]).status_code == 204
    for client in (alice, bob, carol, anonymous):
        answer = client.get(f"/videos/{made['_id']}")
        assert answer.status_code == 404 and "Gone" not in answer.text
    listed = alice.get("/videos?deleted=true&sort=-_id").json
    assert made["_id"] in [one["_id"] for one in listed["_items"]]
    assert bob.get("/videos?deleted=true&sort=-_id").json["_items"] == []
    assert anonymous.get("/videos?deleted=true&sort=-_id").status_code == 401
