"""Captions as people have them: SubRip, files without cues, languages in any case, and errors that help."""

import pytest
from bson import ObjectId

from features.playback.subrip import is_subrip, to_webvtt
from features.playback.webvtt import check_webvtt
from machine.write.upgrade import upgrade_documents
from tests.audience import make_video
from tests.field_reports import reported

VTT = "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n"
SRT = "1\n00:00:01,000 --> 00:00:02,500\nHello <b>you</b>\n\n2\n00:00:03,000 --> 00:00:04,000\n{\\an8}Two\nlines\n"
CONVERTED = (
    "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nHello <b>you</b>\n\n00:00:03.000 --> 00:00:04.000\nTwo\nlines\n"
)


@pytest.fixture
def video(alice):
    return make_video(alice)


def add(client, video, text=VTT, language="en"):
    return client.post(f"/videos/{video}/captions", {"language": language, "text": text})


@reported(
    "Dates, headers, forms",
    "SubRip captions, which most tools write, were refused",
    sent="1, 00:00:01,000 --> 00:00:02,500, Hello",
    back="It was converted from SubRip (SRT) to WebVTT.",
)
def test_subrip_is_converted(alice, video, report):
    made = add(alice, video, report.sent.replace(", ", "\n"))
    assert (made.status_code, made.json["warnings"]) == (201, [report.back])
    assert made.json["text"] == "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nHello\n"
    changed = alice.patch(f"/captions/{made.json['_id']}", {"text": SRT})
    assert (changed.json["text"], changed.json["warnings"]) == (CONVERTED, [report.back])
    assert alice.patch(f"/captions/{made.json['_id']}", {"text": VTT}).json["warnings"] == []


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (SRT, CONVERTED),
        ("\ufeff" + SRT.replace("\n", "\r\n"), CONVERTED),
        (SRT.replace("\n", "\r"), CONVERTED),
        (SRT.replace("1\n0", "0").replace("2\n0", "0"), CONVERTED),
        (SRT.replace("\n\n2\n", "\n2\n"), CONVERTED),
        (SRT.replace("02,500", "02,500 X1:1 X2:2 Y1:3 Y2:4"), CONVERTED),
        (SRT.replace("Hello", '<font color="red">Hello</font>'), CONVERTED),
        (SRT.replace(",000", ".000"), CONVERTED),
        ("\n\n" + SRT, CONVERTED),
        ("\n\n".join(reversed(SRT.strip().split("\n\n"))), CONVERTED),
    ],
)
def test_every_way_to_write_subrip_is_read(sent, kept):
    assert is_subrip(sent)
    assert to_webvtt(sent) == kept


@pytest.mark.parametrize(
    "line", ["a & b < c > d", "1999", "a --> b", "<script>x</script>", "&amp;", "NOTE x", "STYLE"]
)
def test_what_subrip_shows_is_what_webvtt_shows(line):
    made = to_webvtt(f"1\n00:00:01,000 --> 00:00:02,000\n{line}\n\n2\n00:00:03,000 --> 00:00:04,000\nb\n")
    assert check_webvtt(made) == 2
    shown = made.split("\n")[3].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert shown == line


@pytest.mark.parametrize(
    "text", [VTT, "", "words", "1\nwords", "00:01 --> 00:02\nx", "1\n1\n00:00:01,000 --> 00:00:02,000"]
)
def test_what_is_no_subrip_is_left_alone(text):
    assert not is_subrip(text)


@reported(
    "Dates, headers, forms",
    "A WebVTT file without cues was refused, though it is valid",
    sent="WEBVTT",
    back="It has no cues: players will show nothing.",
)
def test_no_cues_are_a_warning(alice, video, report):
    for language, text in (
        ("en", report.sent),
        ("de", "WEBVTT\n\nNOTE later\n"),
        ("fr", "WEBVTT - title\n\n"),
    ):
        made = add(alice, video, text, language)
        assert (made.status_code, made.json["warnings"]) == (201, [report.back])
        assert alice.get(f"/captions/{made.json['_id']}").json["warnings"] == [report.back]


def test_warnings_are_ours_to_write(alice, video):
    sent = {"language": "en", "text": VTT, "warnings": ["x"]}
    assert alice.post(f"/videos/{video}/captions", sent).status_code == 422


@reported(
    "Dates, headers, forms",
    "`EN`, `en_US` and `zh-hant` were refused as languages, and told a regular expression",
    sent="EN, en_US, zh-hant",
    back="en, en-US, zh-Hant",
)
def test_languages_are_folded(alice, video, report):
    made = [add(alice, video, language=one) for one in report.sent.split(", ")]
    assert [one.json["language"] for one in made] == report.back.split(", ")


@reported(
    "Dates, headers, forms",
    "A second track of a language was taken when its tag was written otherwise",
    sent="en-us after en-US",
    back="409 not_unique",
)
def test_a_second_track_of_a_language_is_refused(alice, video, report):
    second, first = report.sent.split(" after ")
    status, reason = report.back.split()
    assert add(alice, video, language=first).status_code == 201
    for one in (second, "EN_us", first):
        refused = add(alice, video, language=one)
        assert (refused.status_code, refused.json["reason"]) == (int(status), reason)


def test_films_and_searches_know_languages_in_any_case(alice, anonymous):
    video = make_video(alice, language="PT_br")
    assert alice.get(f"/videos/{video}").json["language"] == "pt-BR"
    for sent in ("pt-br", "PT_BR", "pt-BR"):
        found = anonymous.get("/search", query_string={"language": sent}).json["_items"]
        assert video in [one["_id"] for one in found], sent


def test_tags_of_an_older_version_are_folded_once_by_the_upgrade(app, alice, video):
    kept, twin = (add(alice, video, language=one).json["_id"] for one in ("en-US", "de"))
    old = add(alice, video, language="fr").json["_id"]
    captions = app.services.db.captions
    captions.update_one({"_id": ObjectId(twin)}, {"$set": {"language": "en-us"}})
    captions.update_one({"_id": ObjectId(old)}, {"$set": {"language": "pt-br"}})
    upgrade_documents(app.store)
    assert upgrade_documents(app.store) == 0
    found = {str(one["_id"]): one["language"] for one in captions.find({"video": ObjectId(video)})}
    assert found == {kept: "en-US", twin: "en-us", old: "pt-BR"}


@pytest.mark.parametrize("language", ["english", "e", "en us", "日本"])
def test_errors_say_the_form_of_a_language(alice, video, language):
    refused = add(alice, video, language=language)
    assert refused.status_code == 422
    assert "BCP 47" in str(refused.json["issues"]["language"])


def test_errors_say_the_forms_of_captions(alice, video):
    refused = add(alice, video, "words")
    assert (refused.status_code, refused.json["reason"]) == (422, "bad_captions")
    assert all(word in refused.json["issues"]["text"] for word in ("WEBVTT", "SRT", "-->"))


def patterns(app):
    """Return the fields of resources that have a pattern, at any depth: (where, pattern, form)."""

    def within(rules, where):
        if "regex" in rules:
            yield where, rules.get("meta", {}).get("form")
        inner = rules.get("schema") or {}
        several = {"": inner} if rules.get("type") == "list" else inner
        for name, one in several.items():
            yield from within(one, f"{where}.{name}")

    for resource in app.registry:
        for name, rules in resource.schema.items():
            yield from within(rules, f"{resource.name}.{name}")


def test_every_pattern_has_a_form_in_words(app):
    found = dict(patterns(app))
    assert len(found) >= 5 and all(found.values()), found


def test_errors_say_a_form_and_never_a_regular_expression(alice):
    for facts, field in (
        ({"handle": "a b c", "name": "x"}, "handle"),
        ({"handle": "forms", "name": "x", "avatar": "ftp://x"}, "avatar"),
        ({"handle": "forms", "name": "x", "links": [{"title": "x", "url": "x"}]}, "links"),
    ):
        issues = str(alice.post("/channels", facts).json["issues"][field])
        assert "must be" in issues and "regex" not in issues, issues


@reported(
    "Dates, headers, forms",
    "Captions that begin with a byte order mark, as Windows writes it, are refused",
    sent="`text` that begins with U+FEFF and `WEBVTT`",
    back="201",
)
def test_a_byte_order_mark_is_taken(alice, video):
    text = "\ufeffWEBVTT\n\n00:00.000 --> 00:01.000\nHello\n"
    answer = alice.post("/captions", {"video": video, "language": "en", "text": text})
    assert answer.status_code == 201, answer.text
