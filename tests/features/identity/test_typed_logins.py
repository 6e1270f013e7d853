"""User names and addresses as phones and tables send them: whatever is around them is not part of them."""

import itertools
from dataclasses import replace

import pytest

from assembly import create_app
from tests.conftest import PASSWORD, Client, sign_up
from tests.field_reports import reported
from tests.identity import letters_to, token_in

AROUND = ["{} ", " {}", "\t{}\n", "\u00a0{}", "{}\u200b", "\u200e{}\u200f", "\u2068{}\u2069"]
PLACES = itertools.count(1)


def login(app, login, **more):
    return Client(app).post("/auth/login", {"login": login, "password": PASSWORD}, **more)


def register(app, username, email):
    return Client(app).post("/auth/register", {"username": username, "email": email, "password": PASSWORD})


@reported(
    "Signing in", "A phone keyboard adds a space behind the name it completes, and the sign-in fails",
    sent='`{"login": "ada "}`',
    back="200; so with spaces and invisible characters around a name or an address, at every door",
)  # fmt: skip
@pytest.mark.parametrize("around", AROUND)
def test_what_is_around_a_name_or_an_address_is_no_part_of_it(app, name, around):
    sign_up(app, name)
    for typed in (name, name.upper(), f"{name}@example.org", f"{name.upper()}@EXAMPLE.org"):
        assert login(app, around.format(typed)).status_code == 200


@pytest.mark.parametrize("around", AROUND)
def test_account_is_made_without_what_is_around(app, name, around):
    longest = (name + "x" * 30)[:30]
    answer = register(app, around.format(longest), around.format(f"{name}@example.org"))
    assert answer.status_code == 201
    assert (answer.json["username"], answer.json["email"]) == (longest, f"{name}@example.org")
    taken = register(app, around.format(longest.upper()), f"{name}@example.net")
    assert taken.json["reason"] == "username_taken"


@pytest.mark.parametrize("around", AROUND)
def test_letter_goes_to_the_address_without_what_is_around(app, name, around):
    sign_up(app, name)
    assert (
        Client(app).post("/auth/forgot", {"email": around.format(f"{name}@example.org")}).status_code == 202
    )
    body = {"token": token_in(letters_to(app, f"{name}@example.org")[-1]), "password": "an entirely new one"}
    assert Client(app).post("/auth/reset", body).status_code == 204


def test_inside_a_name_nothing_is_taken_away(app, name):
    sign_up(app, name)
    for typed in (
        f"{name[:3]} {name[3:]}",
        f"{name}\0",
        f"{name}@example.org extra",
    ):
        assert login(app, typed).status_code == 401


def test_guesses_at_nobody_are_one_count_however_the_login_is_written(app, name):
    counting = create_app(replace(app.settings, rate_limits=True))
    try:
        spellings = [f"x{name}", f"X{name} ", f" x{name}\u200b", f"x{name}\n"]
        statuses = []
        for n in range(12):
            place = {"REMOTE_ADDR": f"10.9.{next(PLACES)}.1"}
            statuses.append(login(counting, spellings[n % 4], environ_base=place).status_code)
        assert statuses == [401] * 10 + [429] * 2
    finally:
        counting.services.close()


def test_command_line_finds_accounts_by_what_is_pasted(app, name):
    from commands.users import find

    sign_up(app, name)
    assert find(app.store, f" {name.upper()}\u200b\n")["username"] == name


def test_command_line_makes_accounts_without_what_is_around(app, name):
    from features.identity import accounts

    made = accounts.create(app.store, f"{name} ", f" {name}@MÜNCHEN.example\n", PASSWORD, verified=True)
    assert (made["username"], made["email"]) == (name, f"{name}@münchen.example")
