"""Declared lists, lists below a document, feeds and search are pages of one kind."""

import pytest
from bson import ObjectId

from tests.audience import make_ready, walk

SIZE = 2


@pytest.fixture(scope="module")
def lists(app, alice):
    """Return the path of each kind of list; all of them hold the same three films."""
    channel = alice.post("/channels", {"handle": "one_builder", "name": "n"}).json["_id"]
    for number in range(3):
        film = {"channel": channel, "title": f"Film {number}", "visibility": "public"}
        make_ready(app.store, ObjectId(alice.post("/videos", film).json["_id"]))
    return {
        "list": "/videos", "mount": f"/channels/{channel}/videos", "feed": "/feed/trending", "search": "/search?q=film",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["list", "mount", "feed", "search"])
@pytest.mark.parametrize("more", ["", "&fields=title", "&embedded=channel"])
def test_envelope_and_links_are_the_same_of_every_list(anonymous, lists, kind, more):
    path = lists[kind]
    path += f"{'&' if '?' in path else '?'}max_results={SIZE}{more}"
    page = anonymous.get(path).json
    assert set(page) == {"_items", "_links", "_meta"} and page["_meta"] == {"max_results": SIZE}
    assert len(page["_items"]) == SIZE
    links = page["_links"]
    assert set(links) == {"self", "parent", "next"}
    assert links["self"]["href"].partition("?")[0] == f"/api/v1{path.partition('?')[0]}"
    assert links["next"]["title"] == "next page"
    # The next page is asked for with all that was asked for here.
    asked, follows = (set(links[name]["href"].partition("?")[2].split("&")) for name in ("self", "next"))
    assert [one.partition("=")[0] for one in follows - asked] == ["cursor"]


@pytest.mark.parametrize("kind", ["list", "mount", "feed", "search"])
def test_walk_by_links_finds_every_document_once(anonymous, lists, kind):
    path = lists[kind]
    items, pages = walk(anonymous, f"{path}{'&' if '?' in path else '?'}max_results={SIZE}")
    assert (len({one["_id"] for one in items}), len(items), pages) == (3, 3, 2)


def test_documents_are_the_same_in_every_list_but_for_the_reason(anonymous, lists):
    found = {}
    for kind, path in lists.items():
        items = anonymous.get(path).json["_items"]
        assert all(("reason" in one) == (kind in ("feed", "search")) for one in items)
        found[kind] = sorted(({**one, "reason": ""} for one in items), key=lambda one: one["_id"])
    assert found["list"] == found["mount"] == found["feed"] == found["search"]
