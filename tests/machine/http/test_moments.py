"""RFC 3339 wherever a date is read: bodies, filters, cursors of values, queries and routes, by one grammar."""

import json
from datetime import UTC, datetime

import pytest

from machine.http.body import BodyValidator
from machine.http.moments import FORM, read_moment
from tests.field_reports import reported

EVENING = datetime(2026, 12, 24, 18, tzinfo=UTC)
# Each writes the same second.
EVENINGS = [
    "2026-12-24T18:00:00Z",
    "2026-12-24T18:00:00.000Z",
    "2026-12-24t18:00:00z",
    "2026-12-24 18:00:00Z",
    "2026-12-24T23:30:00+05:30",
    "2026-12-24T23:30:00.000000000000+05:30",
    "2026-12-24T10:15:00-07:45",
    "2026-12-24T18:00:00+00:00",
    "2026-12-24T18:00:00-00:00",
]
# What is no moment by RFC 3339, and a word of why.
REFUSED = {
    "2026-12-24T18:00:00": "offset",
    "2026-12-24T18:00Z": "",
    "20261224T180000Z": "",
    "2026-W52-4T18:00:00Z": "",
    "2026-12-24T18:00:00.Z": "",
    "2026-12-24T18:00:00,5Z": "",
    "2026-12-24T18:00:00+0530": "",
    "2026-12-24T18:00:00+05": "",
    "2026-12-24T18:00:00+24:00": "offset",
    "2026-12-24T18:00:00+05:60": "offset",
    "2026-12-24T24:00:00Z": "hour",
    "2026-02-29T00:00:00Z": "day",
    "2026-13-01T00:00:00Z": "month",
    "0000-01-01T00:00:00Z": "year",
    "0001-01-01T00:00:00+05:00": "year",
    "9999-12-31T23:59:59-05:00": "year",
    "2026-12-24T18:00:60Z": "leap second",
    "2016-12-30T23:59:60Z": "leap second",
    "9999-12-31T23:59:60Z": "year",
    "٢٠٢٦-١٢-٢٤T١٨:٠٠:٠٠Z": "",
    "2026-12-24T18:00:0\u0660Z": "",
    "2026-12-24T18:00:00Z\n": "",
    " 2026-12-24T18:00:00Z": "",
    "": "",
    "tomorrow": "",
}
# A day is no moment, and yet bounds a search: by its first moment in UTC.
DAY, MIDNIGHT = "2026-12-24", datetime(2026, 12, 24, tzinfo=UTC)


@pytest.mark.parametrize("text", EVENINGS)
def test_every_form_of_the_standard_is_read_as_the_same_moment(text):
    assert read_moment(text) == EVENING


@pytest.mark.parametrize(("text", "word"), REFUSED.items())
def test_what_is_no_moment_is_refused_and_told_the_form(text, word):
    with pytest.raises(ValueError, match="2026-12-24T18:00:00Z") as refused:
        read_moment(text)
    assert word in str(refused.value)


@pytest.mark.parametrize("value", [None, 5, 5.0, True, [], {}])
def test_what_is_no_text_is_no_moment(value):
    with pytest.raises(ValueError, match="2026-12-24T18:00:00Z"):
        read_moment(value)


def test_leap_seconds_are_the_next_second_since_computers_count_none():
    """The examples of RFC 3339, section 5.8, and one of its own."""
    for text in ("1990-12-31T23:59:60Z", "1990-12-31T15:59:60-08:00", "1991-01-01T05:29:60.5+05:30"):
        assert read_moment(text).replace(microsecond=0) == datetime(1991, 1, 1, tzinfo=UTC)


def test_fractions_are_kept_for_comparisons():
    assert read_moment("2026-12-24T18:00:00.1234567Z").microsecond == 123456


@pytest.mark.parametrize("text", EVENINGS)
def test_bodies_of_routes_are_read_alike_however_deep(text):
    dates = {"type": "list", "schema": {"type": "datetime"}}
    fields = {"at": {"type": "datetime"}, "deep": {"type": "dict", "schema": {"all": dates}},
              "by_name": {"type": "dict", "valuesrules": {"type": "datetime"}}}  # fmt: skip
    body = BodyValidator(fields)
    assert body.validate({"at": text, "deep": {"all": [text]}, "by_name": {"x": text}})
    assert body.document == {"at": EVENING, "deep": {"all": [EVENING]}, "by_name": {"x": EVENING}}
    assert not body.validate({"deep": {"all": [text, "tomorrow"]}})
    assert FORM in json.dumps(body.errors)


@pytest.fixture(scope="module")
def video(alice, studio_of_one):
    return studio_of_one


@pytest.fixture(scope="module")
def studio_of_one(alice):
    channel = alice.post("/channels", {"handle": "moments", "name": "Moments"}).json["_id"]
    return alice.post("/videos", {"channel": channel, "title": "A film"}).json["_id"]


@reported(
    "Dates, headers, forms",
    "A browser's toISOString() was refused as a date, and nothing said which form is taken",
    sent="2026-12-24T18:00:00.000Z",
    back="2026-12-24T18:00:00Z",
)
def test_a_date_of_a_browser_is_taken_and_rendered_in_the_one_form(alice, video, report):
    changed = alice.patch(f"/videos/{video}", {"publish_at": report.sent})
    assert (changed.status_code, changed.json["publish_at"]) == (200, report.back)
    assert alice.get(f"/videos/{video}").json["publish_at"] == report.back


@pytest.mark.parametrize("text", EVENINGS)
def test_resources_take_every_form(alice, video, text):
    changed = alice.patch(f"/videos/{video}", {"publish_at": text})
    assert (changed.status_code, changed.json["publish_at"]) == (200, "2026-12-24T18:00:00Z")


@pytest.mark.parametrize("text", [DAY, *filter(None, REFUSED)])
def test_resources_refuse_with_the_form(alice, video, text):
    refused = alice.patch(f"/videos/{video}", {"publish_at": text})
    assert refused.status_code == 422
    assert "RFC 3339" in str(refused.json["issues"]["publish_at"])


@reported(
    "Dates, headers, forms",
    "A date in Arabic digits was taken",
    sent="٢٠٢٦-١٢-٢٤T١٨:٠٠:٠٠Z",
    back="must be a date and time by RFC 3339",
)
def test_only_ascii_digits_make_a_date(alice, video, report):
    refused = alice.patch(f"/videos/{video}", {"publish_at": report.sent})
    assert refused.status_code == 422
    assert report.back in str(refused.json["issues"]["publish_at"])


def moments_in_filters(app):
    """Return (resource, field) for each declared filter and first sort key that is a moment."""
    for resource in app.registry:
        for query in resource.queries:
            for name in query.filter:
                if resource.fields[name].type == "datetime":
                    yield resource, name, "where"
            first = query.sort[0][0]
            if first in resource.fields and resource.fields[first].type == "datetime":
                yield resource, first, "after"


def test_filters_and_after_read_every_form(app):
    from machine.read.query import read_after, read_value

    read = {"where": read_value, "after": read_after}
    places = {(resource.name, name, kind): resource for resource, name, kind in moments_in_filters(app)}
    assert places
    for (_, name, kind), resource in places.items():
        for text in EVENINGS:
            assert read[kind](resource, name, text) == EVENING
        assert read[kind](resource, name, DAY) == MIDNIGHT
        for text in REFUSED:
            with pytest.raises(Exception, match="RFC 3339") as refused:
                read[kind](resource, name, text)
            assert refused.value.code == 400


@pytest.mark.parametrize("name", ["after", "before"])
def test_search_reads_every_form(anonymous, name):
    for text in [*EVENINGS, DAY]:
        assert anonymous.get("/search", query_string={"q": "film", name: text}).status_code == 200
    for text in filter(None, REFUSED):
        refused = anonymous.get("/search", query_string={"q": "film", name: text})
        assert (refused.status_code, "RFC 3339" in refused.json["detail"]) == (400, True)


def test_an_offset_whose_plus_became_a_space_is_told_so(anonymous):
    refused = anonymous.get("/search?q=film&after=2026-12-24T23:30:00+05:30")
    assert (refused.status_code, "%2B" in refused.json["detail"]) == (400, True)


@pytest.mark.parametrize(
    "text", ["20261224", "2026-W52-4", "2026-12-24T18:00:00Z", "٢٠٢٦-١٢-٢٤", "2026-02-30"]
)
def test_days_are_whole_dates_of_the_standard(alice, video, text):
    refused = alice.get(f"/videos/{video}/stats", query_string={"until": text})
    assert (refused.status_code, "2026-01-31" in refused.json["detail"]) == (400, True)
