"""Passwords as keyboards send them: one however its letters are composed, old hashes renewed, no more work for it."""

import unicodedata

import pytest

from features.identity.passwords import Passwords, as_bytes, complaint
from tests.conftest import Client, sign_up
from tests.field_reports import reported

COMPOSED, DECOMPOSED = "caf\u00e9 au lait", "cafe\u0301 au lait"


@pytest.fixture(scope="module")
def passwords(settings):
    return Passwords(settings)


@pytest.fixture
def user(app, name):
    return sign_up(app, name)


def hash_of(app, user):
    return app.services.db["credentials"].find_one({"_id": user.user["_id"]})["password_hash"]


def keep_as_once(app, user, password):
    """Store a hash as versions before did: of the very bytes that came."""
    encoded = app.services.passwords.hasher.hash(as_bytes(password))
    app.services.db["credentials"].update_one({"_id": user.user["_id"]}, {"$set": {"password_hash": encoded}})
    return encoded


def login(app, user, password):
    body = {"login": user.user["username"], "password": password}
    return Client(app).post("/auth/login", body).status_code


def counted(passwords, monkeypatch):
    """Return a list that grows by each password that is held against a hash."""
    done, verify = [], passwords.hasher.verify

    class Counting:
        def verify(self, encoded, typed):
            done.append(typed)
            return verify(encoded, typed)

    monkeypatch.setattr(passwords, "hasher", Counting())
    return done


@reported(
    "Signing in", "A password set on a Mac is wrong on every other keyboard: its é comes taken apart",
    sent="registered with `cafe\\u0301 au lait`, signed in with `caf\\u00e9 au lait`",
    back="200, and the other way round: RFC 8265 before hashing",
)  # fmt: skip
@pytest.mark.parametrize(("chosen", "typed"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_password_is_one_however_its_letters_are_composed(app, name, chosen, typed):
    body = {"username": name, "email": f"{name}@example.org", "password": chosen}
    assert Client(app).post("/auth/register", body).status_code == 201
    for password in (chosen, typed):
        answer = Client(app).post("/auth/login", {"login": name, "password": password})
        assert answer.status_code == 200
    me = Client(app, answer.json["access_token"])
    changed = me.post("/auth/password", {"current": typed, "password": "an entirely new one"})
    assert changed.status_code == 204


# The examples of RFC 8265, 4.3, and what phones, Macs and Korean keyboards send.
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("foo\u1680bar and more", "foo bar and more"),
        ("a\u00a0space\u3000is a space", "a space is a space"),
        (unicodedata.normalize("NFD", "비밀번호는여덟자"), "비밀번호는여덟자"),
        ("\u212b ngström twice", "\u00c5 ngström twice"),
    ],
)
def test_what_one_keyboard_sends_opens_what_another_one_set(passwords, one, other):
    assert passwords.verify(passwords.hash(one), other) and passwords.verify(passwords.hash(other), one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Correct Horse Battery", "correct horse battery"),
        ("\uff41\uff42\uff43 and more", "abc and more"),
        ("jack of \u2666s", "jack of ds"),
        (" between spaces ", "between spaces"),
    ],
)
def test_what_differs_by_more_than_that_is_another_password(passwords, one, other):
    assert not passwords.verify(passwords.hash(one), other)


def test_old_hash_of_what_was_typed_is_taken_and_made_anew_at_sign_in(app, user):
    old = keep_as_once(app, user, DECOMPOSED)
    assert login(app, user, COMPOSED) == 401
    assert login(app, user, DECOMPOSED) == 200
    assert hash_of(app, user) != old
    assert login(app, user, COMPOSED) == login(app, user, DECOMPOSED) == 200


def test_hash_that_is_as_it_would_be_made_today_stays(app, user):
    old = keep_as_once(app, user, COMPOSED)
    assert login(app, user, DECOMPOSED) == login(app, user, COMPOSED) == 200
    assert hash_of(app, user) == old


def test_old_password_that_no_rule_would_take_today_still_opens(app, user):
    keep_as_once(app, user, "a tab\tand a bell\a")
    assert login(app, user, "a tab\tand a bell\a") == 200


def test_wrong_password_of_one_form_costs_one_hash(passwords, monkeypatch):
    encoded = passwords.hash("a password")
    done = counted(passwords, monkeypatch)
    for wrong in ("wrong password", "falsches Pa\u00dfwort", "\u00e9t\u00e9 comme hiver"):
        assert not passwords.verify(encoded, wrong)
    assert len(done) == 3


@pytest.mark.parametrize("encoded", ["somebody's", None])
def test_wrong_password_of_two_forms_costs_the_same_whoever_is_asked_for(passwords, monkeypatch, encoded):
    encoded = encoded and passwords.hash("a password")
    done = counted(passwords, monkeypatch)
    assert not passwords.verify(encoded, DECOMPOSED)
    assert done == [as_bytes(COMPOSED), as_bytes(DECOMPOSED)]


def test_both_forms_are_tried_in_one_turn(passwords, monkeypatch):
    turns, turn = [], passwords.turn

    def counting():
        turns.append(1)
        return turn()

    monkeypatch.setattr(passwords, "turn", counting)
    passwords.verify(None, DECOMPOSED)
    assert len(turns) == 1


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("tab\there is one", "control"),
        ("line\u2028separator", "control"),
        ("zero\u200bwidth space", "invisible"),
        ("soft\u00adhyphen here", "invisible"),
        ("lone \ud800 surrogate", "no character"),
        ("not a character \uffff", "no character"),
        ("private \ue000 letter", "no character"),
        ("e\u0301" * 4 + "abc", "at least 8"),
        ("\u00a0 \u3000 \u2003 \u00a0 \u3000", "repeated"),
    ],
)
def test_new_password_says_what_is_wrong_with_it(password, why):
    assert why in complaint(password)


@pytest.mark.parametrize(
    "password",
    [
        unicodedata.normalize("NFD", "\u1eadáéíóúàèìò" * 25),
        "e\u0301" * 6 + "abc",
        "\u2764\ufe0f and more love",
        "\U0001f469\u200d\U0001f680 to the moon",
        "نمی\u200cدانم چه بگویم",
        "πßå and more of it",
    ],
)
def test_length_counts_characters_as_they_are_kept_and_joiners_belong_to_them(password):
    assert complaint(password) is None
