"""ETags as clients send them: quoted, weak, in lists, or bare as the body shows them; and what is none."""

import pytest

from machine.http.etags import read_tags
from tests.field_reports import reported

LISTS = {
    '"a"': {"a"},
    'W/"a"': {"a"},
    '"a", W/"b" ,"c"': {"a", "b", "c"},
    '"a,b"': {"a,b"},
    '"a b"': None,
    '"a\x80"': {"a\x80"},
    '""': {""},
    "a": {"a"},
    "a1b2.c3": {"a1b2.c3"},
    'a, "b"': {"a", "b"},
    ', "a",,': {"a"},
    "*": {"*"},
    " * ": {"*"},
    "": set(),
    ",": set(),
    '"*"': {"*"},
    '"a': None,
    'a"': None,
    '"""': None,
    "a b": None,
    '"a" "b"': None,
    'w/"a"': None,
    "W/a": None,
    '"a", *': None,
    "'a'": None,
    "{a}": None,
    "\u00e9": None,
}


@pytest.mark.parametrize(("header", "tags"), LISTS.items())
def test_lists_of_tags_are_read_by_the_standard_and_bare_ones_taken(header, tags):
    if tags is None:
        with pytest.raises(ValueError, match="ETag"):
            read_tags(header)
    else:
        assert {tag.text for tag in read_tags(header)} == tags


def test_star_and_a_tag_that_is_a_star_differ():
    assert read_tags("*") != read_tags('"*"')


@pytest.fixture
def video(alice, name):
    channel = alice.post("/channels", {"handle": name, "name": "Tags"}).json["_id"]
    return alice.post("/videos", {"channel": channel, "title": "A film"}).json


def change(client, video, tag, method="PATCH"):
    headers = {"If-Match": tag.replace("{etag}", video["_etag"])}
    body = {"channel": video["channel"], "title": "New"}
    path = f"/videos/{video['_id']}"
    return client.call(method, path, json=None if method == "DELETE" else body, headers=headers)


@reported(
    "Dates, headers, forms",
    "An `_etag` sent as the body shows it, without quotes, was 412 as if somebody had changed it",
    sent="If-Match: {etag}",
    back="200",
)
@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
def test_an_etag_is_taken_as_the_body_shows_it(alice, video, method, report):
    taken = change(alice, video, report.sent.removeprefix("If-Match: "), method)
    assert taken.status_code == (204 if method == "DELETE" else int(report.back))


def test_an_etag_is_taken_as_the_header_shows_it_however_it_came(alice, video):
    for form in ("{tag}", "W/{tag}", '"x", {tag}', "x, {bare}"):
        tag = alice.get(f"/videos/{video['_id']}").headers["ETag"]
        taken = change(alice, video, form.format(tag=tag, bare=tag.strip('"')))
        assert taken.status_code == 200, form


@reported(
    "Dates, headers, forms",
    "What cannot be an ETag was told that somebody had changed the document",
    sent='If-Match: "{etag}',
    back="400 bad_etag",
)
@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
def test_what_cannot_be_an_etag_is_told_so(alice, video, method, report):
    status, reason = report.back.split()
    broken = [header for header, tags in LISTS.items() if tags is None and header.isascii()]
    for tag in (report.sent.removeprefix("If-Match: "), *broken):
        refused = change(alice, video, tag, method)
        assert (refused.status_code, refused.json["reason"]) == (int(status), reason), tag
        assert "_etag" in refused.json["detail"]


@pytest.mark.parametrize("signed_in", [False, True])
def test_reads_compare_whole_tags_only(alice, anonymous, signed_in):
    caller = alice if signed_in else anonymous
    tag = caller.get("/channels").headers["ETag"]
    bare = tag.removeprefix("W/").strip('"')
    for known in (tag, f"W/{tag}", bare, f'"x", {tag}', f"x, {bare}", "*"):
        assert caller.get("/channels", headers={"If-None-Match": known}).status_code == 304, known
    # A part of it, or one that holds it, is another; what is none hides nothing.
    for other in (f'"x{tag}', f'"x{bare}"', f'"{bare}x"', bare[:-1], f"{bare}x", f"{tag} x", "'", f"x {tag}"):
        assert caller.get("/channels", headers={"If-None-Match": other}).status_code == 200, other
