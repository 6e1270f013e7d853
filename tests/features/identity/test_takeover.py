"""Who moves into an account moves in alone: what others signed in with before has ended."""

import re

import pyotp
import pytest

from features.identity.sessions import REFRESH_TOKENS
from tests.conftest import Client, sign_up
from tests.identity import PASSWORD, letters_to

NEW = "a password that I chose"


@pytest.fixture
def user(app, name):
    return sign_up(app, name)


@pytest.fixture
def guest(app):
    return Client(app)


def address_of(user):
    return f"{user.user['username']}@example.org"


def make_key(app, user):
    answer = user.post("/api_keys", {"name": "k", "scopes": ["users:read"]})
    return Client(app, answer.json["key"])


def sign_in(app, login, password=PASSWORD, **more):
    answer = Client(app).post("/auth/login", {"login": login, "password": password, **more})
    return Client(app, answer.json.get("access_token")) if answer.status_code == 200 else None


def register(app, username, address):
    body = {"username": username, "email": address, "password": PASSWORD}
    assert Client(app).post("/auth/register", body).status_code == 201
    return sign_in(app, username)


def tokens_for(app, address, subject):
    """The tokens of the letters to an address with a subject, by the account that each is for."""
    found = {}
    for letter in letters_to(app, address):
        if letter["Subject"] == subject:
            for account, token in accounts_in(letter):
                found[account] = token
    return found


def accounts_in(letter):
    text = letter.get_content()
    names = re.findall(r"(?:Hello|Account) ([\w.-]+)[,:]", text)
    return list(zip(names, re.findall(r'"token": "([^"]+)"', text), strict=True))


def reset_tokens(app, address):
    Client(app).post("/auth/forgot", {"email": address})
    return tokens_for(app, address, "Choose a new password")


def reset(app, token, password=NEW):
    return Client(app).post("/auth/reset", {"token": token, "password": password}).status_code


def verify(app, client, address):
    token = tokens_for(app, address, "Confirm your address")[client.get("/me").json["username"]]
    return client.post("/auth/verify-email", {"token": token}).status_code


# Keys end like sessions


def test_keys_end_with_a_password_reset(app, user):
    key = make_key(app, user)
    assert key.get("/me").status_code == 200
    assert reset(app, reset_tokens(app, address_of(user))[user.user["username"]]) == 204
    assert key.get("/me").status_code == 401


def test_keys_end_with_a_changed_password(app, user):
    key = make_key(app, user)
    assert user.post("/auth/password", {"current": PASSWORD, "password": NEW}).status_code == 204
    assert key.get("/me").status_code == 401 and user.get("/me").status_code == 200


@pytest.mark.parametrize("route", ["/auth/logout-all", "/auth/logout-others"])
def test_keys_end_when_everything_is_signed_out(app, user, route):
    key = make_key(app, user)
    assert user.post(route).status_code == 204
    assert key.get("/me").status_code == 401
    assert app.services.db["api_key_hashes"].count_documents({"_id": key_id(key)}) == 0


def key_id(key):
    from bson import ObjectId

    return ObjectId(key.token.split("_")[1])


# Nobody waits in an account for the owner of its address


def test_owner_of_a_claimed_address_moves_in_alone(app, name):
    """The attacker has a session, a key, a second factor, a webhook; the owner has only the letter."""
    address = f"{name}@example.org"
    attacker = register(app, name, address)
    key = make_key(app, attacker)
    hook = attacker.post("/webhooks", {"url": "https://example.org/hook", "events": ["videos.created"]})
    assert hook.status_code == 201, hook.json
    secret = attacker.post("/me/totp", {"password": PASSWORD}).json["secret"]
    assert attacker.post("/me/totp/confirm", {"code": pyotp.TOTP(secret).now()}).status_code == 200
    assert reset(app, reset_tokens(app, address)[name]) == 204
    assert attacker.get("/me").status_code == key.get("/me").status_code == 401
    owner = sign_in(app, address, NEW)
    assert owner is not None, "no second factor of the attacker's is asked for"
    assert owner.get("/me").json["email_verified"] is True
    assert owner.get("/webhooks").json["_items"] == owner.get("/api_keys").json["_items"] == []
    assert sign_in(app, address) is None and sign_in(app, name) is None


def test_a_newer_claim_does_not_take_the_letter_of_an_older_one(app, name):
    address = f"{name}@example.org"
    register(app, name, address)
    register(app, f"x{name}", address)
    tokens = reset_tokens(app, address)
    assert list(tokens) == [name, f"x{name}"]
    assert reset(app, tokens[name]) == 204
    assert sign_in(app, name, NEW).get("/me").json["email"] == address


def test_proving_an_address_drops_all_other_claims_and_their_letters(app, name):
    address = f"{name}@example.org"
    mine, other = register(app, name, address), register(app, f"x{name}", address)
    tokens = reset_tokens(app, address)
    assert verify(app, mine, address) == 200
    assert reset(app, tokens[f"x{name}"]) == 400
    assert other.get("/me").json["email"] is None
    assert sign_in(app, address).get("/me").json["username"] == name


def test_a_letter_alone_gives_nobodys_account_an_address(app, guest, name):
    """Whoever answers a stranger's letter would share an account with the stranger."""
    address = f"{name}@example.org"
    attacker, victim = register(app, name, address), register(app, f"v{name}", address)
    tokens = tokens_for(app, address, "Confirm your address")
    assert guest.post("/auth/verify-email", {"token": tokens[name]}).status_code == 401
    assert victim.post("/auth/verify-email", {"token": tokens[name]}).status_code == 400
    assert attacker.get("/me").json["email_verified"] is False
    assert victim.post("/auth/verify-email", {"token": tokens[f"v{name}"]}).status_code == 200


def test_who_claims_another_address_is_not_reset_by_its_owner(app, name):
    """An account with an address of its own cannot be entered by a letter to one that it only claims."""
    mine, theirs = f"{name}@example.org", f"{name}@example.net"
    attacker = register(app, name, mine)
    assert verify(app, attacker, mine) == 200
    assert attacker.post("/me/email", {"email": theirs, "password": PASSWORD}).status_code == 202
    assert reset_tokens(app, theirs) == {}


# Letters that went to another address


def test_a_letter_to_the_old_address_resets_nothing_once_the_address_changed(app, name):
    old, new = f"{name}@example.org", f"{name}@example.net"
    client = register(app, name, old)
    assert verify(app, client, old) == 200
    token = reset_tokens(app, old)[name]
    assert client.post("/me/email", {"email": new, "password": PASSWORD}).status_code == 202
    assert verify(app, client, new) == 200
    assert reset(app, token) == 400


def test_a_letter_written_late_to_the_old_address_resets_nothing_either(app, name):
    """The worker may have read the old address before the change, and made its token after it."""
    from features.identity import one_time_tokens as onetime

    client = register(app, name, f"{name}@example.net")
    assert verify(app, client, f"{name}@example.net") == 200
    user = app.services.db["users"].find_one({"username": name})
    late = onetime.issue(app.services.db, onetime.RESET, user["_id"], f"{name}@example.org")
    assert reset(app, late) == 400
    assert sign_in(app, name) is not None


# What was on its way when everything ended


def test_a_sign_in_on_its_way_does_not_outlive_the_end(app, user, monkeypatch):
    """The old password is checked, then the password is reset, then the session would begin."""
    from features.identity import answers as identity

    token = reset_tokens(app, address_of(user))[user.user["username"]]
    start = identity.Sessions.start

    def slowly(self, *arguments):
        monkeypatch.undo()
        assert reset(app, token) == 204
        return start(self, *arguments)

    monkeypatch.setattr(identity.Sessions, "start", slowly)
    answer = Client(app).post("/auth/login", {"login": user.user["username"], "password": PASSWORD})
    assert answer.status_code == 401
    assert app.services.db["sessions"].count_documents({"user": user.user["_id"]}) == 0
    assert app.services.db[REFRESH_TOKENS].count_documents({"user": user.user["_id"]}) == 0


def test_a_key_on_its_way_does_not_outlive_the_session_that_made_it(app, user, monkeypatch):
    keys, made = app.services.tokens.api_keys, []
    make = keys.make

    def slowly(*arguments):
        monkeypatch.undo()
        assert user.post("/auth/logout-all").status_code == 204
        made.append(make(*arguments))
        return made[0]

    monkeypatch.setattr(keys, "make", slowly)
    answer = user.post("/api_keys", {"name": "k", "scopes": ["users:read"]})
    assert answer.status_code == 401
    assert Client(app, made[0]).get("/me").status_code == 401
