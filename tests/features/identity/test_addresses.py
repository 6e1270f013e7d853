"""Addresses beyond ASCII: taken, one however they are written, and refused in a sentence where no mail can go."""

import itertools
from dataclasses import replace

import pytest
from bson import ObjectId

import tasks.all  # noqa: F401  registers the jobs
from assembly import create_app
from features.identity import accounts, letters
from machine.jobs.runner import run_job
from machine.write.upgrade import upgrade_documents
from tests.conftest import PASSWORD, Client, sign_up
from tests.field_reports import reported
from tests.identity import letters_to, token_in, work_off
from tests.postbox import Postbox

COUNT = itertools.count(1)


@pytest.fixture
def word():
    """Letters beyond ASCII that nobody has used yet."""
    return "ü" + "".join(chr(0x4E00 + int(digit)) for digit in str(next(COUNT)))


def register(app, username, email, **more):
    body = {"username": username, "email": email, "password": PASSWORD}
    return Client(app).post("/auth/register", body, **more)


def login(app, login):
    return Client(app).post("/auth/login", {"login": login, "password": PASSWORD})


def spellings(word):
    """The same address as different people write it; each domain label holds the word."""
    apart = "".join(one.replace("ü", "u\u0308") for one in word)
    encoded = f"{word}.example".encode("idna").decode()
    return [
        f"{word}@{word}.example", f"{apart}@{apart}.example", f"{word.upper()}@{word.upper()}.EXAMPLE",
        f"{word}@{encoded}", f"{apart}@{encoded.upper()} ", f"{word}@{word}。example",
    ]  # fmt: skip


@pytest.fixture
def by_smtp(app):
    """Make applications that send by a server with these extensions."""
    made = []

    def make(box, **changes):
        made.append(create_app(replace(app.settings, smtp_url=box.url, **changes)))
        return made[-1]

    yield make
    for one in made:
        one.services.close()


@reported(
    "Signing in", "An address with an umlaut is refused as no address",
    sent="registered with `ü@münchen.example`, signed in with `u\\u0308@xn--mnchen-3ya.example`",
    back="201 and 200: domains by IDNA, composed letters, one form to compare",
)  # fmt: skip
def test_account_is_found_by_its_address_however_that_is_written(app, name, word):
    first, *others = spellings(word)
    made = register(app, name, first)
    assert made.status_code == 201 and made.json["email"] == first
    for typed in (first, *others):
        assert login(app, typed).status_code == 200
    (letter,) = letters_to(app, f"{word}@" + f"{word}.example".encode("idna").decode())
    me = Client(app, login(app, name).json["access_token"])
    assert me.post("/auth/verify-email", {"token": token_in(letter)}).status_code == 200
    assert me.get("/me").json["email"] == first
    for typed in others:
        assert login(app, typed).status_code == 200


def test_address_is_unique_in_one_form(app, name, word):
    first, *others = spellings(word)
    accounts.create(app.store, name, first, PASSWORD, verified=True)
    for number, typed in enumerate(others):
        client = sign_up(app, f"{name}{number}")
        accounts.claim_address(app.services, client.user["_id"], typed)
        letters.owe(app.services, letters.VERIFY, client.user["_id"])
        work_off(app)
        assert accounts.owner_of(app.services, typed)["username"] == name
        with pytest.raises(Exception, match="in use"):
            accounts.confirm_address(app.store, client.user["_id"], typed)


def test_claims_of_one_address_end_together(app, name, word):
    first, *others = spellings(word)
    clients = [sign_up(app, f"{name}{number}") for number in range(len(others))]
    for client, typed in zip(clients, others, strict=True):
        accounts.claim_address(app.services, client.user["_id"], typed)
    assert len(accounts.claimants_of(app.services, first)) == len(others)
    assert accounts.confirm_address(app.store, clients[0].user["_id"], first)
    assert accounts.claimants_of(app.services, first) == []


def test_letters_to_one_address_are_counted_together_however_it_is_written(app, name, word):
    counting = create_app(replace(app.settings, rate_limits=True))
    try:
        statuses = []
        for number, typed in enumerate([*spellings(word), f"{word}@{word}.example"]):
            place = {"REMOTE_ADDR": f"10.8.{number}.1"}
            answer = Client(counting).post("/auth/forgot", {"email": typed}, environ_base=place)
            statuses.append(answer.status_code)
        assert statuses == [202] * 5 + [429] * 2
    finally:
        counting.services.close()


def test_reset_letter_goes_to_the_address_as_it_is_kept(app, name, word):
    first, *others = spellings(word)
    register(app, name, first)
    assert Client(app).post("/auth/forgot", {"email": others[-1]}).status_code == 202
    letter = letters_to(app, f"{word}@" + f"{word}.example".encode("idna").decode())[-1]
    body = {"token": token_in(letter), "password": "an entirely new one"}
    assert Client(app).post("/auth/reset", body).status_code == 204


@reported(
    "Signing in", "An odd address is refused without a word on what is odd",
    sent='`{"email": "\\"ada lovelace\\"@example.org"}`',
    back="422, `email`: without quotes, brackets or a name in front, such as name@example.org",
)  # fmt: skip
@pytest.mark.parametrize(
    ("email", "said"),
    [
        ('"ada lovelace"@example.org', "without quotes"),
        ("Ada <ada@example.org>", "without quotes"),
        ("ada lovelace@example.org", "without spaces"),
        ("ad\u0007a@example.org", "control"),
        ("ada.example.org", "one @"),
        ("ada@localhost", "domain"),
        ("ada@[127.0.0.1]", "domain"),
        ("x" * 65 + "@example.org", "64 bytes"),
    ],
)
def test_odd_address_is_told_the_form_at_every_door(app, alice, name, email, said):
    answers = [
        register(app, name, email),
        Client(app).post("/auth/forgot", {"email": email}),
        alice.post("/me/email", {"email": email, "password": PASSWORD}),
    ]
    for answer in answers:
        assert answer.status_code == 422 and said in str(answer.json["issues"]["email"])
    with pytest.raises(accounts.BadAccount, match=said):
        accounts.create(app.store, name, email, PASSWORD, verified=True)


@reported(
    "Signing in", "Who signs up as ü@… never gets a letter: the mail server cannot send it, and nobody says so",
    sent='`{"email": "ü@example.org"}`, where the mail server has no SMTPUTF8',
    back="422, `email`: take one with plain letters before the @; with SMTPUTF8 201, and the letter goes out",
)  # fmt: skip
def test_address_that_no_letter_can_reach_is_refused_in_a_sentence(app, by_smtp, name, alice):
    with Postbox("8BITMIME") as box:
        here = by_smtp(box)
        client = Client(here, alice.token)
        answers = [
            register(here, name, "ü@example.org"),
            Client(here).post("/auth/forgot", {"email": "ü@example.org"}),
            client.post("/me/email", {"email": "ü@example.org", "password": PASSWORD}),
        ]
        for answer in answers:
            assert answer.status_code == 422 and "plain letters" in str(answer.json["issues"]["email"])
        assert register(here, name, "ada@münchen.example").status_code == 201


def test_letter_to_an_address_beyond_ascii_goes_out_where_the_server_can(by_smtp, name, word):
    with Postbox("SMTPUTF8", "8BITMIME") as box:
        here = by_smtp(box)
        assert register(here, name, f"{word}@example.org").status_code == 201
        work_off(here)
        (letter,) = [mail for mail in box.mails if mail["To"] == f"{word}@example.org"]
        me = Client(here, login(here, name).json["access_token"])
        assert me.post("/auth/verify-email", {"token": token_in(letter)}).status_code == 200


def test_letter_that_cannot_be_carried_any_more_is_given_up_and_told_at_the_door(by_smtp, name, word):
    with Postbox("SMTPUTF8") as box:
        here = by_smtp(box)
        assert register(here, name, f"{word}@example.org").status_code == 201
        box.extensions = ()
        job = here.services.db["jobs"].find_one({"type": "mail", "state": "queued"}, sort=[("_id", -1)])
        run_job(job["_id"], here.services, here.store)
        ended = here.services.jobs.get(job["_id"])
        assert (ended["state"], ended["error"]["code"]) == ("failed", "address_not_carried")
        later = by_smtp(box)
        me = Client(later, login(later, name).json["access_token"])
        answer = me.post("/me/verify-email")
        assert answer.status_code == 422 and "plain letters" in str(answer.json["issues"]["email"])


def test_addresses_that_an_older_version_compared_otherwise_are_brought_to_one_form(app, name, word):
    db = app.services.db
    owner, claimant, plain = (sign_up(app, f"{name}{number}").user["_id"] for number in range(3))
    email = f"{word}@{word}.EXAMPLE"
    db["users"].update_one({"_id": owner}, {"$set": {"email": email, "email_key": email.casefold()}})
    claim = {"claim": f"{name}@MÜNCHEN.example", "claim_key": f"{name}@münchen.example"}
    db["credentials"].update_one({"_id": claimant}, {"$set": claim})
    etag = db["users"].find_one({"_id": owner})["_etag"]

    assert upgrade_documents(app.store) == 2

    encoded = f"{word}.example".encode("idna").decode()
    kept = db["users"].find_one({"_id": owner})
    assert (kept["email"], kept["email_key"], kept["_etag"]) == (email, f"{word}@{encoded}", etag)
    assert accounts.owner_of(app.services, spellings(word)[1])["_id"] == owner
    assert accounts.claimant_of(app.services, f"{name}@xn--mnchen-3ya.example")["_id"] == claimant
    assert accounts.claimant_of(app.services, f"{name}2@example.org")["_id"] == plain
    assert upgrade_documents(app.store) == 0


def test_of_two_who_own_one_address_in_two_forms_the_second_is_left_and_named(app, name, word, caplog):
    db, email = app.services.db, f"{word}@{word}.example"
    accounts.create(app.store, name, email, PASSWORD, verified=True)
    other = sign_up(app, f"{name}2").user["_id"]
    db["users"].update_one({"_id": other}, {"$set": {"email": email, "email_key": "as once"}})
    assert upgrade_documents(app.store) == 0
    assert str(other) in caplog.text and email not in caplog.text
    db["users"].delete_one({"_id": ObjectId(other)})
