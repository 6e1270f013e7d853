"""For tests: each kind of credential as something to obtain and to use, and each event as something to make happen.

An `obtain` returns a function that uses the credential and tells whether it was good.
"""

import secrets
from datetime import UTC, datetime, timedelta

import pyotp
from bson import ObjectId

from features.identity import credentials as table
from features.identity import one_time_tokens as onetime
from features.identity.sessions import Sessions
from features.playback import unlocking
from machine.access.claims import BadToken
from machine.access.sealing import digest
from machine.write.store import Store
from tests.audience import pass_on
from tests.conftest import Client
from tests.features.identity.test_oidc import begin, come_back
from tests.identity import PASSWORD, letters_to, token_in, work_off

NEW = "a password of another day"


class Account:
    """A user of a site with an OpenID provider, made by the provider and given a password; `asker` is signed in."""

    def __init__(self, site, provider, admin, verified):
        self.site, self.provider, self.admin, self.password = site, provider, admin, PASSWORD
        self.store: Store = site.store
        self.db = site.services.db
        name = "n" + secrets.token_hex(5)
        self.address = f"{name}@example.org"
        self.person = {"sub": f"id-{name}", "preferred_username": name, "email": self.address,
                       "email_verified": verified}  # fmt: skip
        self.asker = self.come_in(self.begin())
        self.user = self.db["users"].find_one({"username": name})
        self.id = self.user["_id"]
        hashed = {"password_hash": site.services.passwords.hash(PASSWORD)}
        self.db["credentials"].update_one({"_id": self.id}, {"$set": hashed})
        self.factor = None

    def begin(self):
        """Go to the provider and let it sign the person in; return what the browser needs to come back."""
        self.provider.person = self.person
        browser = self.site.test_client()
        return browser, begin(browser, self.provider)

    def come_in(self, begun):
        answer = come_back(*begun)
        return Client(self.site, answer.json["access_token"]) if answer.status_code == 200 else None

    def session(self):
        """Begin a session without asking for anything; return (client, refresh token)."""
        begun = Sessions(self.site.services, self.store).start(self.id, "test", "127.0.0.1")
        return Client(
            self.site, self.site.services.tokens.issue(self.user, begun.session)[0]
        ), begun.refresh_token

    def letter(self, purpose, address):
        """Make a token as the worker would, and leave the earlier ones alone."""
        token = secrets.token_urlsafe(32)
        self.db[onetime.COLLECTION].insert_one({
            "_id": digest(token), "purpose": purpose, "user": self.id, "address": address,
            "expires_at": datetime.now(UTC) + timedelta(seconds=600),
        })  # fmt: skip
        return token

    def login(self, **more):
        body = {"login": self.user["username"], "password": self.password, **more}
        return Client(self.site).post("/auth/login", body)

    def prepare_factor(self, **more):
        """Turn a second factor on, or replace it; return its recovery codes."""
        secret = self.asker.post("/me/totp", {"password": self.password, **more}).json["secret"]
        answer = self.asker.post("/me/totp/confirm", {"code": pyotp.TOTP(secret).now()})
        assert answer.status_code == 200, answer.json
        return answer.json["recovery_codes"]


def by_session(account):
    client, refresh_token = account.session()

    def use():
        reads = client.get("/me").status_code == 200
        answer = Client(account.site).post("/auth/refresh", {"refresh_token": refresh_token})
        assert reads == (answer.status_code == 200), "access and refresh tokens end together"
        return reads

    return use


def by_key(account):
    made = account.asker.post("/api_keys", {"name": "k", "scopes": ["users:read"]})
    key = Client(account.site, made.json["key"])
    return lambda: key.get("/me").status_code == 200


def by_reset_letter(account):
    Client(account.site).post("/auth/forgot", {"email": account.address})
    token = token_in(letters_to(account.site, account.address)[-1])
    body = {"token": token, "password": "what the letter let in"}
    return lambda: Client(account.site).post("/auth/reset", body).status_code == 204


def by_verify_letter(account):
    if account.user.get("email"):
        address = f"new-{account.address}"
        body = {"email": address, "password": account.password}
        assert account.asker.post("/me/email", body).status_code == 202
    else:
        address = account.address
        assert account.asker.post("/me/verify-email").status_code == 202
    token = token_in(letters_to(account.site, address)[-1])
    return lambda: account.session()[0].post("/auth/verify-email", {"token": token}).status_code == 200


def by_second_factor(account):
    """It is in force: a sign-in asks for it, and takes its codes."""
    account.factor = account.prepare_factor()

    def use():
        if account.login().status_code == 200:
            return False
        return account.login(code=account.factor.pop()).status_code == 200

    return use


def by_provider(account):
    ways = [account.begin(), account.begin()]

    def use():
        client = account.come_in(ways.pop())
        return client is not None and client.get("/me").json["_id"] == str(account.id)

    return use


def by_export(account):
    href = account.asker.post("/me/export").json["_links"]["download"]["href"]
    work_off(account.site)
    return lambda: account.session()[0].get(href).status_code == 200


def by_webhook(account):
    body = {"url": "http://127.0.0.1:9/hook", "events": ["channels.created"]}
    webhook = ObjectId(account.asker.post("/webhooks", body).json["_id"])

    def use():
        work_off(account.site)
        handle = "c" + secrets.token_hex(6)
        account.store.insert("channels", {"handle": handle, "name": handle, "owner": account.id})
        pass_on(account.site)
        return account.db["webhook_deliveries"].count_documents({"webhook": webhook}) > 0

    return use


def by_unlock_key(account):
    video = ObjectId()
    unlocking.set_password(account.site.services, video, "open sesame")
    key, expires = unlocking.unlock(account.site.services, video, "open sesame")
    assert expires <= datetime.now(UTC).timestamp() + account.site.settings.playback_seconds
    return lambda: unlocking.opens(account.site.services, video, key)


def by_grant(account, kind):
    """What a stream or an upload asks while it runs, of the session or key that it was begun with."""
    tokens = account.site.services.tokens
    if kind == "sessions":
        token = account.session()[0].token
    else:
        token = account.asker.post("/api_keys", {"name": "k", "scopes": ["users:read"]}).json["key"]
    claims = tokens.verify(token)
    grant = claims.session or claims.key

    def use():
        state = tokens.liveness.check(kind, grant, account.id)
        try:
            good = tokens.verify(token) is not None
        except BadToken:
            good = False
        assert good == (state is not None and state.active)
        return good

    return use


OBTAIN = {
    "sessions": by_session,
    "api_keys": by_key,
    "reset_letters": by_reset_letter,
    "verify_letters": by_verify_letter,
    "second_factor": by_second_factor,
    "provider_link": by_provider,
    "exports": by_export,
    "webhooks": by_webhook,
    "streams": by_grant,
    "uploads": by_grant,
    "signed_urls": by_unlock_key,
}


def expect(status, answer):
    assert answer.status_code == status, answer.json


def change_password(account):
    expect(204, account.asker.post("/auth/password", {"current": account.password, "password": NEW}))
    account.password = NEW


def reset(account):
    token = account.letter(onetime.RESET, account.address)
    expect(204, Client(account.site).post("/auth/reset", {"token": token, "password": NEW}))
    account.password = NEW


def change_address(account):
    address = f"other-{account.address}"
    expect(202, account.asker.post("/me/email", {"email": address, "password": account.password}))
    expect(200, account.asker.post("/auth/verify-email", {"token": account.letter(onetime.VERIFY, address)}))


def prove_address(account):
    token = account.letter(onetime.VERIFY, account.address)
    expect(200, account.asker.post("/auth/verify-email", {"token": token}))


def change_second_factor(account):
    account.prepare_factor(**({"code": account.factor.pop()} if account.factor else {}))


def change_user(**values):
    return lambda account: expect(200, account.admin.patch(f"/users/{account.id}", values))


def reactivate(account):
    change_user(status="suspended")(account)
    change_user(status="active")(account)


def erase(account):
    expect(204, account.asker.call("DELETE", "/me", json={"password": account.password}))


HAPPEN = {
    table.PASSWORD_CHANGED: change_password,
    table.PASSWORD_RESET: reset,
    table.TAKEN_OVER: reset,
    table.ADDRESS_CHANGED: change_address,
    table.ADDRESS_PROVED: prove_address,
    table.LOGGED_OUT: lambda account: expect(204, account.asker.post("/auth/logout")),
    table.LOGGED_OUT_OTHERS: lambda account: expect(204, account.asker.post("/auth/logout-others")),
    table.LOGGED_OUT_ALL: lambda account: expect(204, account.asker.post("/auth/logout-all")),
    table.SECOND_FACTOR_CHANGED: change_second_factor,
    table.ROLE_CHANGED: change_user(role="moderator"),
    table.SUSPENDED: change_user(status="suspended"),
    table.REACTIVATED: reactivate,
    table.ERASED: erase,
}
# These happen to accounts whose address nobody has proved.
UNPROVED = {table.TAKEN_OVER, table.ADDRESS_PROVED}
