"""Ranges by RFC 9110: whole sets of them, what is ignored, what cannot be had, and If-Range."""

import email
import email.policy

import pytest

from cloudinary_local.ranges import MOST_RANGES, Unsatisfiable, read_ranges
from tests.field_reports import reported

LENGTH = 1000
READ = {
    "bytes=0-0": [(0, 1)],
    "bytes=0-99": [(0, 100)],
    "bytes=990-": [(990, 1000)],
    "bytes=990-5000": [(990, 1000)],
    "bytes=-5": [(995, 1000)],
    "bytes=-5000": [(0, 1000)],
    "Bytes=0-1": [(0, 2)],
    "bytes=0-1, 4-5,,-2": [(0, 2), (4, 6), (998, 1000)],
    "bytes=0-1,5000-": [(0, 2)],
    "bytes=0-1,-0": [(0, 2)],
    "bytes=500-600,0-1": [(500, 601), (0, 2)],
    "bytes=0-" + "9" * 5000: [(0, 1000)],
    "bytes=0-9,5-14,10-19": [(0, 10), (5, 15), (10, 20)],
    # Ignored:
    "bytes=5-2": [],
    "bytes=0-1,5-2": [],
    "bytes=": [],
    "bytes=-": [],
    "bytes": [],
    "bytes=a-b": [],
    "bytes=0-1-2": [],
    "bytes=1": [],
    "bytes=0x1-2": [],
    "bytes=\u0661-\u0662": [],
    "lines=0-1": [],
    "": [],
    "bytes=" + ",".join(f"{at}-{at}" for at in range(0, 2 * MOST_RANGES + 2, 2)): [],
    "bytes=0-,0-,0-,0-": [],
}


@pytest.mark.parametrize(("header", "spans"), READ.items(), ids=lambda one: str(one)[:30])
def test_sets_of_ranges_are_read_by_the_standard(header, spans):
    assert read_ranges(header, LENGTH) == spans


@pytest.mark.parametrize(
    "header", ["bytes=1000-", "bytes=5000-6000", "bytes=-0", "bytes=1000-,-0", "bytes=" + "9" * 99 + "-"]
)
def test_what_lies_beyond_the_end_cannot_be_had(header):
    with pytest.raises(Unsatisfiable):
        read_ranges(header, LENGTH)


def test_of_an_empty_file_nothing_can_be_had():
    with pytest.raises(Unsatisfiable):
        read_ranges("bytes=0-", 0)


@reported(
    "Dates, headers, forms",
    "A range that ends before it begins was 416, and nothing said how long the file is",
    sent="Range: bytes=5-2",
    back="200",
)
def test_a_range_in_the_wrong_order_is_ignored(media, film, clip, report):
    answer = media.get(film["url"], Range=report.sent.removeprefix("Range: "))
    assert (answer.status, answer.data) == (int(report.back), clip.read_bytes())
    assert answer.headers["Accept-Ranges"] == "bytes"


@reported(
    "Dates, headers, forms",
    "A range beyond the end was refused without the length of the file",
    sent="Range: bytes=99999999-",
    back="416 bytes */{length}",
)
def test_a_range_beyond_the_end_is_told_the_length(media, film, clip, report):
    answer = media.get(film["url"], Range=report.sent.removeprefix("Range: "))
    status, told = report.back.replace("{length}", str(clip.stat().st_size)).split(" ", 1)
    assert (answer.status, answer.headers["Content-Range"]) == (int(status), told)


@reported(
    "Dates, headers, forms",
    "Several ranges at once were refused",
    sent="Range: bytes=0-9, 100-199, -5",
    back="206 multipart/byteranges",
)
def test_several_ranges_come_as_one_answer(media, film, clip, report):
    data, status_and_kind = clip.read_bytes(), report.back.split()
    answer = media.get(film["url"], Range=report.sent.removeprefix("Range: "))
    assert [str(answer.status), answer.headers["Content-Type"].partition(";")[0]] == status_and_kind
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    parts = list(email.message_from_bytes(head + answer.data, policy=email.policy.HTTP).iter_parts())
    assert [part.get_content_type() for part in parts] == ["video/mp4"] * 3
    total = len(data)
    for part, (first, end) in zip(parts, [(0, 10), (100, 200), (total - 5, total)], strict=True):
        assert part["Content-Range"] == f"bytes {first}-{end - 1}/{total}"
        assert answer.data.count(data[first:end]) >= 1


def test_if_range_keeps_parts_of_two_files_apart(media, film):
    first = media.get(film["url"])
    tag, changed = first.headers["ETag"], first.headers["Last-Modified"]
    for known, status in (
        (tag, 206), (changed, 206), (f"W/{tag}", 200), ('"other"', 200), ("Thu, 01 Jan 1970 00:00:00 GMT", 200),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 200), ("nonsense", 200),
    ):  # fmt: skip
        assert media.get(film["url"], Range="bytes=0-9", **{"If-Range": known}).status == status, known


def test_what_is_known_already_is_304_whichever_part_is_asked_for(media, film):
    tag = media.get(film["url"]).headers["ETag"]
    assert media.get(film["url"], Range="bytes=0-9", **{"If-None-Match": tag}).status == 304
    assert media.get(film["url"], Range="bytes=0-9", **{"If-None-Match": '"other"'}).status == 206


def test_head_has_no_ranges(media, film, clip):
    answer = media.http.request("HEAD", film["url"], headers={"Range": "bytes=0-9"})
    assert (answer.status, int(answer.headers["Content-Length"])) == (200, clip.stat().st_size)


@pytest.mark.parametrize("asked", ["bytes=0-0", "bytes=1000-1999", "bytes=-1", "bytes=0-"])
def test_one_range_is_the_part_alone(media, film, clip, asked):
    data = clip.read_bytes()
    answer = media.get(film["url"], Range=asked)
    ((first, end),) = read_ranges(asked, len(data))
    assert (answer.status, answer.data) == (206, data[first:end])
    assert answer.headers["Content-Range"] == f"bytes {first}-{end - 1}/{len(data)}"
    assert answer.headers["Content-Length"] == str(end - first)
    assert answer.headers["Content-Type"] == "video/mp4" and answer.headers["ETag"]
