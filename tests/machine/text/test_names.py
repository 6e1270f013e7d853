"""Names that would pass for somebody else's, held at every field that declares a name, on each way in."""

import itertools
import json
import secrets
import unicodedata

import pytest
from bson import ObjectId

from machine.declare.registry import read_definitions
from machine.http.body import BodyValidator
from machine.text.kinds import KINDS, kind_of
from machine.text.lookalikes import READ_AS, TABLE, read_as, script_of
from machine.text.names import RESERVED, is_reserved, issues_of_scripts
from machine.write.check import check_resource
from settings import RESERVED_NAMES, Settings
from tests.field_reports import reported
from tests.identity import PASSWORD

MIXED = "must keep to one alphabet in each word"
ONE_WORD = "must be one word without"
TURNED = "must be one line without characters that change the writing direction"
# What readers take for `admin`, `support` or another reserved word.
POSING = {
    "as it is": "admin",
    "capitals": "ADMIN",
    "dots": "a.d.m.i.n",
    "dashes": "ad-min_",
    "a digit": "adm1n",
    "several digits": "5upp0r7",
    "l for I": "officiaI",
    "I for l": "heIp",
    "two letters for one": "adrnin",
    "every letter of the platform": "Marquee",
}
# The same, of characters that no handle takes at all.
DRESSED = {
    "full width": "\uff41\uff44\uff4d\uff49\uff4e",
    "mathematical": "\U0001d41a\U0001d41d\U0001d426\U0001d422\U0001d427",
    "small capitals": "\u1d00\u1d05\u1d0d\u026a\u0274",
    "in squares": "\U0001f170\U0001f173\U0001f17c\U0001f178\U0001f17d",
    "an accent": "\xe1dm\xedn",
    "a stroke": "r\xf8\xf8t",
    "a zero width space": "ad\u200bmin",
    "a soft hyphen": "ad\xadmin",
    "spaces": "a d m i n",
    "a sign for a letter": "@dm!n",
    "stars around it": "\u2605 Admin \u2605",
    "an at before it": "@admin",
    "an exclamation": "Admin!",
    "Cyrillic as a whole": "\u0430\u0440\u0456",
    "Cyrillic capitals": "\u0410\u0420\u0406",
}
# Words of two alphabets whose letters look alike, but for what is reserved.
MIXES = {
    "Cyrillic in Latin": "P\u0430ypal",
    "Latin in Cyrillic": "\u041c\u043eckva",
    "Greek in Latin": "\u0391laskaJazz",
    "Cyrillic in Greek": "\u0394\u03b7\u043c\u03bf\u03c2",
    "beside a fine word": "The B\u0415ATLES",
    "behind a joiner": "P\u200d\u0430ypal",
    "Lisu in Latin": "GOO\ua4d6LE",
    "Canadian syllabics": "\u15c5PPLE",
}
TURNS = {
    "an override": "\u202enimda",
    "a closed override": "\u202egpj\u202c",
    "an isolate": "\u2067Ada\u2069",
    "an embedding": "A\u202bda\u202c",
}
# What people are called.
FINE = [
    "Ada", "Moderna", "Administration of Justice", "Rooted", "The Help Desk Diaries", "support your locals", "Apis",
    "Lina", "Ill", "911", "404", "\u2605\u2605\u2605", "\U0001f600", "caf\xe9", "\xd8rsted", "Bj\xf6rk",
    "\u041c\u043e\u0441\u043a\u0432\u0430", "\u041c\u043e\u0441\u043a\u0432\u0430 FM",
    "DJ \u0391\u03bb\u03ad\u03be\u03b7\u03c2",
    "Caf\xe9-\u041c\u0438\u0440", "\xb5Torrent", "\u6771\u4eacTV", "\u30ab\u30e9\u30aaK", "\u304a\u306fHello",
    "K\ud31d", "\ud55c\uad6d\u6f22\u5b57", "\u05db\u05d0\u05dfTV", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629TV",
    "\u0939\u093f\u0928\u094d\u0926\u0940TV", "\u0416\u0438\u0437\u043d\u044c2",
    "\u0645\u06cc\u200c\u062e", "\u05d0\u200f!",
]  # fmt: skip


def names():
    """Yield (resource, field, rules) of each declared name."""
    for resource, definition in read_definitions().items():
        for field, rules in definition["schema"].items():
            if (word := kind_of(rules)) and KINDS[word].names:
                yield resource, field, rules


NAMES = list(names())
IDS = [f"{resource}.{field}" for resource, field, _ in NAMES]


def issues(rules, sent):
    """Return what the rules of a name say of a text, but for its form and length, which are not about posing."""
    kept = {key: rule for key, rule in rules.items() if key not in ("regex", "readonly", "minlength")}
    validator = BodyValidator({"name": {**kept, "maxlength": 100}}, reserved_names=RESERVED_NAMES)
    validator.validate({"name": sent})
    return " ".join(validator.errors.get("name", []))


def test_the_names_are_those_of_people_and_of_channels():
    assert IDS == ["channels.handle", "channels.name", "users.username", "users.display_name"]


@pytest.mark.parametrize(("resource", "field", "rules"), NAMES, ids=IDS)
def test_every_declared_name_is_held_to_the_same(resource, field, rules):
    assert [
        sent for sent in (*POSING.values(), *DRESSED.values()) if RESERVED not in issues(rules, sent)
    ] == []
    assert [sent for sent in MIXES.values() if MIXED not in issues(rules, sent)] == []
    # A handle loses what shows nothing around it, and takes none within; it says so in its own words.
    shown = kind_of(rules) == "name"
    turned = TURNS.values() if shown else [TURNS["an embedding"]]
    assert [sent for sent in turned if (TURNED if shown else ONE_WORD) not in issues(rules, sent)] == []
    wrong = {
        sent: found for sent in FINE if (found := issues(rules, sent)) and (shown or ONE_WORD not in found)
    }
    assert wrong == {}


@reported(
    "Texts", "Anybody could be `admin`, `support` or `a.d.m.i.n`",
    sent='`{"username": "adm1n", …}` to sign up; the same as display name, handle or name of a channel',
    back="422 `is reserved: it would seem to speak for this platform`; the words: `RESERVED_NAMES`",
)  # fmt: skip
@pytest.mark.parametrize("sent", POSING.values(), ids=POSING)
def test_nobody_takes_a_reserved_name(app, anonymous, alice, sent):
    body = {"username": sent, "email": f"{secrets.token_hex(4)}@example.org", "password": PASSWORD}
    answers = {
        "username": anonymous.post("/auth/register", body),
        "display_name": alice.patch("/me", {"display_name": sent}),
        "handle": alice.post("/channels", {"handle": sent, "name": "Films"}),
        "name": alice.post("/channels", {"handle": f"h{secrets.token_hex(4)}", "name": sent}),
    }
    for field, answer in answers.items():
        assert (answer.status_code, answer.json["reason"]) == (422, "validation_failed"), answer.text
        assert RESERVED in told(answer, field)
    assert app.services.db.users.count_documents({"username": sent}) == 0


def told(answer, field):
    """Return what a refusal says of a field."""
    found = answer.json["issues"][field]
    return found if isinstance(found, str) else " ".join(found)


@reported(
    "Texts", "A display name of look-alikes passed for a reserved one",
    sent='`{"display_name": "\\u0410dmin"}`, with a Cyrillic A; in full width, small capitals, letters in squares',
    back="422 `is reserved: it would seem to speak for this platform`",
)  # fmt: skip
@pytest.mark.parametrize("sent", ["\u0410dmin", *DRESSED.values()], ids=["Cyrillic", *DRESSED])
def test_look_alikes_of_a_reserved_name_are_refused(alice, sent):
    assert RESERVED in told(alice.patch("/me", {"display_name": sent}), "display_name")


@reported(
    "Texts", "`P\\u0430ypal` with a Cyrillic letter in it was a name like any other",
    sent='`{"display_name": "P\\u0430ypal"}`, the name of a channel too',
    back="422 `must keep to one alphabet in each word: in one of its words letters of Cyrillic and Latin look alike`",
)  # fmt: skip
@pytest.mark.parametrize("sent", MIXES.values(), ids=MIXES)
def test_a_word_of_two_alphabets_that_look_alike_is_refused(alice, sent):
    assert MIXED in told(alice.patch("/me", {"display_name": sent}), "display_name")
    channel = {"handle": f"h{secrets.token_hex(4)}", "name": sent}
    assert MIXED in told(alice.post("/channels", channel), "name")


@reported(
    "Texts", "A display name turned the direction of what stood around it",
    sent='`{"display_name": "\\u202enimda"}`, closed or not, isolates and embeddings too',
    back="422 `must be one line without characters that change the writing direction`",
)  # fmt: skip
@pytest.mark.parametrize("sent", TURNS.values(), ids=TURNS)
def test_a_name_with_a_change_of_direction_is_refused(alice, sent):
    assert TURNED in told(alice.patch("/me", {"display_name": sent}), "display_name")


@pytest.mark.parametrize("sent", FINE)
def test_what_people_are_called_is_taken(alice, sent):
    answer = alice.patch("/me", {"display_name": sent})
    assert (answer.status_code, answer.json.get("display_name")) == (200, unicodedata.normalize("NFC", sent))


def test_what_is_stored_may_be_sent_back_and_is_counted(app, bob):
    kept = {"handle": f"h{secrets.token_hex(4)}", "name": "Films"}
    channel = bob.post("/channels", kept).json["_id"]
    app.services.db.channels.update_one({"_id": ObjectId(channel)}, {"$set": {"name": "Support"}})
    sent = {"name": "Support", "description": "new"}
    assert bob.patch(f"/channels/{channel}", sent).status_code == 200
    assert bob.put(f"/channels/{channel}", {**kept, **sent}, etag="*").status_code == 200
    assert bob.patch(f"/channels/{channel}", {"name": "Supp0rt"}).status_code == 422
    _, found = check_resource(app.store, app.registry["channels"])
    assert [(one.field, one.issue, one.count) for one in found] == [("name", RESERVED, 1)]


def test_the_words_are_a_setting():
    assert Settings.from_env({"RESERVED_NAMES": "Kino, \u0430\u0434\u043c\u0438\u043d"}).reserved_names == (
        "Kino", "\u0430\u0434\u043c\u0438\u043d",
    )  # fmt: skip
    assert Settings.from_env({"RESERVED_NAMES": ""}).reserved_names == ()
    words = ("Kino", "\u0430\u0434\u043c\u0438\u043d")
    assert is_reserved("K.1.N.O", words) and is_reserved("\u0410\u0414\u041c\u0418\u041d", words)
    assert not is_reserved("admin", words) and not is_reserved("admin", ()) and not is_reserved("", words)


def test_no_reserved_word_of_the_default_is_another_one_in_disguise():
    twins = [
        (one, other) for one, other in itertools.permutations(RESERVED_NAMES, 2) if is_reserved(one, (other,))
    ]
    assert twins == []


def test_the_document_says_what_a_name_must_not_be(anonymous):
    schemas = anonymous.get("/openapi.json").json["components"]["schemas"]
    for name, field in (("ChannelCreate", "handle"), ("ChannelCreate", "name"), ("RegisterBody", "username")):
        assert "is reserved" in json.dumps(schemas[name]["properties"][field]), (name, field)


def test_the_table_of_look_alikes_has_the_form_that_it_says():
    assert sum(map(len, READ_AS.values())) == len(TABLE) > 300
    for one, seen in TABLE.items():
        assert seen.isascii() and seen.isalnum() and read_as(one) == seen
        assert unicodedata.category(one).startswith("L") and script_of(one), one
        assert not unicodedata.normalize("NFKC", one).isascii()


def test_words_of_one_script_are_never_refused_for_their_letters():
    """Each letter of the Basic Multilingual Plane beside another one of its script."""
    letters = [chr(code) for code in range(0x10000) if unicodedata.category(chr(code)).startswith("L")]
    scripts = {}
    for one in letters:
        scripts.setdefault(script_of(one), []).append(one)
    wrong = [name for name, all_ in scripts.items() if name and list(issues_of_scripts("".join(all_)))]
    assert wrong == [] and len(scripts) > 80
