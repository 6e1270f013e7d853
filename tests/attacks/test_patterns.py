"""No regular expression can be made slow: those of the source, of schemas, bodies and URL rules, with pumped texts."""

import ast

import pytest

from clients.log import HIDDEN, mask
from features.engagement.mentions import MENTION
from features.playback.webvtt import BadCaptions, check_webvtt
from tests.attacks.patterns import ROOT, Pattern, in_declarations, in_source, modules, slowest

LENGTH, SECONDS = 100_000, 0.05
FOUND, WITHOUT_TEXT = in_source()
# What only ever reads texts of our own making, by the beginning of its place: the longest of them.
OUR_OWN = {
    "machine/http/request_log.py: '<(?:": 200,  # URL rules
    "machine/openapi/naming.py: '<(?:": 200,
    "dev/supervisor.py": 4000,  # lines that our own processes write
}
# Patterns that are put together when they run: what stands for them here, None where another case covers them.
PUT_TOGETHER = {
    "machine/http/body.py: pattern": None,  # the rules of schemas and bodies
    "machine/openapi/examples.py: schema.get('pattern', '')": None,  # the same, on examples of our own
    "features/uploads/store_notice_routes.py: f'{prefix}/incoming/([0-9a-f]{{24}})'": r"marquee/incoming/([0-9a-f]{24})",  # noqa: E501
    "features/uploads/store_notice_routes.py: f'{prefix}/([0-9a-f]{{24}})/([0-9]+)'": r"marquee/([0-9a-f]{24})/([0-9]+)",  # noqa: E501
    "features/engagement/mentions.py: f'(?:(?<![\\\\w.@\\\\uff20-])|(?<={LETTER.pattern}))[@\\\\uff20]([A-Za-z0-9][A-Za-z0-9_.-]{{2,29}}+)(?![A-Za-z0-9_])'": MENTION.pattern,  # noqa: E501
}
# Patterns for MongoDB: what is put into them is escaped, or made by us.
IN_MONGODB = {
    "machine/eve/endpoints.py": "an ObjectId",
    "features/discovery/common_words.py": "re.escape of a word of letters and digits",
    "machine/access/rights.py": "re.escape of names of scopes",
    "machine/write/upgrade.py": "classes of characters, once at a migration",
    "features/identity/address_upgrades.py": "classes of characters, once at a migration",
}


def longest(pattern):
    return next((n for place, n in OUR_OWN.items() if pattern.place.startswith(place)), LENGTH)


@pytest.mark.parametrize(
    "pattern", sorted(set(FOUND), key=str), ids=lambda one: f"{one.place[:70]}-{one.use}"
)
def test_no_text_makes_a_pattern_slow(pattern, record_property):
    seconds, text = slowest(pattern, longest(pattern), SECONDS)
    record_property("milliseconds", seconds * 1000)
    assert seconds <= SECONDS, (pattern.text, text)


def test_patterns_put_together_at_run_time_are_all_known():
    assert {place for place, _ in WITHOUT_TEXT} == set(PUT_TOGETHER)
    for place, text in PUT_TOGETHER.items():
        if text:
            seconds, slow = slowest(Pattern(place, text), LENGTH, SECONDS)
            assert seconds <= SECONDS, (place, slow)


def test_patterns_of_schemas_bodies_and_urls_are_quick(app):
    patterns = {(one.text, one.use): one for one in in_declarations(app)}
    assert len(patterns) >= 10
    for pattern in patterns.values():
        seconds, text = slowest(pattern, LENGTH, SECONDS)
        assert seconds <= SECONDS, (pattern, text)


def test_patterns_for_the_database_are_all_known():
    """A client's text in a `$regex` would run in mongod, where no bound of ours holds."""
    places = {
        str(path.relative_to(ROOT))
        for path in modules()
        if not {"dev", "cloudinary_local"} & set(path.parts)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value == "$regex"
    }
    assert places == set(IN_MONGODB)


@pytest.mark.parametrize(
    "text", [r"(a+)+$", r"(a|a)*b", r"(\w+\s?)*$", r"(.*a){12}", r"\s+$", r"[\w.+-]+@[\w-]+"]
)
def test_this_very_test_finds_slow_patterns(text):
    assert slowest(Pattern("here", text, 0, "search"), LENGTH, SECONDS)[0] > SECONDS


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("key mqk_0123456789abcdef01234567_x sent", f"key {HIDDEN} sent"),
        ("token eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIx.c2ln.", f"token {HIDDEN}."),
        ("token=xeyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIx&a", f"token=x{HIDDEN}&a"),
        ("Bearer abcdefghij, next", f"Bearer {HIDDEN}, next"),
        ("mongodb://root:pa:ss@db/x", f"mongodb://{HIDDEN}@db/x"),
        ("redis://:secret@127.0.0.1", f"redis://{HIDDEN}@127.0.0.1"),
        ("to first.last+tag@mail.example.org now", f"to {HIDDEN} now"),
        ("/a@b@first@example.org", f"/a@b@{HIDDEN}"),
    ],
)
def test_the_mask_of_the_log_hides_what_it_is_for(line, left):
    assert mask(line) == left


@pytest.mark.parametrize("hours", ["9" * 5000, "٠٠", "1" * 100])
def test_hours_of_captions_are_few_plain_digits(hours):
    with pytest.raises(BadCaptions):
        check_webvtt(f"WEBVTT\n\n{hours}:00:01.000 --> {hours}:00:02.000\nx\n")


@pytest.mark.parametrize("blank", ["\u2000", " ", "\t", "\x0b"])
def test_a_block_of_captions_that_looks_empty_is_none(blank):
    assert check_webvtt(f"WEBVTT\n\n{blank}\n\n00:01.000 --> 00:02.000\nx\n") == 1


def test_captions_with_absurd_hours_are_refused_and_not_an_error(app, alice):
    from tests.audience import make_video

    text = f"WEBVTT\n\n{'9' * 5000}:00:01.000 --> {'9' * 5000}:00:02.000\nx\n"
    answer = alice.post("/captions", {"video": make_video(alice), "language": "en", "text": text})
    assert answer.status_code == 422, answer.text
