"""Accounts: create one, prove that a password belongs to it, change its password and its address.

An address belongs to an account (`users.email`, unique) once somebody who is in the account has shown a letter sent
there. Until then it is only a claim, kept with the credentials; several accounts may claim one address, so registering
tells nobody who has it. With the proof all other claims on it end.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from clients import addresses, clock
from features.backend import Backend, backend_of
from features.identity.logins import login_key, trim
from features.identity.one_time_tokens import drop_sent_to
from features.identity.passwords import complaint
from machine.write.store import Store

CREDENTIALS = "credentials"
IDENTITIES = "identities"
# A letter to an address that nobody has proved names at most this many accounts that claim it, the oldest first.
MOST_CLAIMS = 20
NO_CLAIM = {"claim": "", "claim_key": "", "claimed_at": ""}
USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{2,29}")


class BadAccount(Exception):
    """The account cannot be made or changed like this; `issues` maps fields to messages."""

    def __init__(self, issues: dict[str, str]) -> None:
        super().__init__("; ".join(f"{field} {message}" for field, message in issues.items()))
        self.issues = issues


def create(
    store: Store,
    username: str,
    email: str,
    password: str | None,
    role: str = "user",
    *,
    verified: bool = False,
    also: Callable[[dict[str, Any], Any], object] | None = None,
) -> dict[str, Any]:
    """Create an account and return its user document. Raise BadAccount, or the store's 409 for a taken name.

    Without a password it can only be entered through an identity provider or a reset. `also(user, session)` writes
    what belongs to it, in the same transaction.
    """
    username, email, services = trim(username), addresses.normal(email), backend_of(store)
    check(username, email, password)
    user: dict[str, Any] = {
        "_id": ObjectId(),
        "username": username,
        "email_verified": verified,
        "role": role,
        "status": "active",
        "settings": {"history_paused": False, "notifications": {}},
    }
    credentials: dict[str, Any] = {
        "_id": user["_id"],
        "password_hash": services.passwords.hash(password) if password is not None else None,
    }
    if verified:
        user["email"] = email
    elif email:
        credentials |= claim_of(email)

    def write(session: Any) -> dict[str, Any]:
        created = store.insert("users", user, session=session)
        services.db[CREDENTIALS].insert_one(credentials, session=session)
        if also:
            also(created, session)
        return created

    created: dict[str, Any] = store.in_transaction(write)
    if verified:
        drop_other_claims(services, user["_id"], email)
    return created


def check(username: str, email: str, password: str | None) -> None:
    """Raise BadAccount naming every field that will not do."""
    issues = {}
    if not USERNAME.fullmatch(username):
        issues["username"] = "must be 3 to 30 letters, digits, dots, dashes or underscores"
    if email and not is_address(email):
        issues["email"] = next(addresses.issues(email))
    wrong = complaint(password, username, email) if password is not None else None
    if wrong:
        issues["password"] = wrong
    if issues:
        raise BadAccount(issues)


def is_address(email: str) -> bool:
    """Tell whether it looks like an address; only a mail to it proves that it is one."""
    return next(addresses.issues(email), None) is None


def claim_of(email: str) -> dict[str, Any]:
    """Return the fields of an unverified address."""
    return {"claim": email, "claim_key": addresses.key(email), "claimed_at": clock.now()}


@dataclass(frozen=True)
class Proved:
    """An account whose password was given, and how often everything of it had ended by then."""

    user: dict[str, Any]
    credentials: dict[str, Any]

    @property
    def generation(self) -> int:
        """Return the number that `end_credentials` raises."""
        return generation_in(self.credentials)


def generation_in(credentials: Mapping[str, Any]) -> int:
    """Return how often everything that signs in to an account has ended: a sign-in begun before must not go on."""
    return int(credentials.get("generation", 0))


def generation_of(services: Backend, user: ObjectId) -> int:
    """Return the present generation of an account."""
    return generation_in(read_credentials(services, user))


def authenticate(services: Backend, password: str, tried: list[dict[str, Any] | None]) -> Proved | None:
    """Return the first of the `candidates` of a login whose password this is, suspended or not; else None.

    Does the same work whoever is asked for: one password check by name, and two by address, for the account
    that owns it and for the one that claimed it last. So neither answer nor time tells whether one exists.
    """
    found = None
    for candidate in tried:
        credentials = read_credentials(services, candidate["_id"] if candidate else None)
        encoded = credentials.get("password_hash")
        checked = services.passwords.check(encoded, password)
        if checked.right and candidate and found is None:
            found = Proved(candidate, credentials)
            if checked.outdated:
                rehash = {"$set": {"password_hash": services.passwords.hash(password)}}
                services.db[CREDENTIALS].update_one(
                    {"_id": credentials["_id"], "password_hash": encoded}, rehash
                )
    return found


def candidates(services: Backend, login: str) -> list[dict[str, Any] | None]:
    """Return the accounts a login may mean; None stands for one that is not there."""
    if "@" not in login:
        return [services.db["users"].find_one({"username_key": login_key(login)})]
    return [owner_of(services, login), claimant_of(services, login)]


def owner_of(services: Backend, email: str) -> dict[str, Any] | None:
    """Return the account that has verified this address."""
    return services.db["users"].find_one({"email_key": addresses.key(email)})


def claimant_of(services: Backend, email: str) -> dict[str, Any] | None:
    """Return the account that claimed this address last and has not verified it."""
    newest = [("claimed_at", -1)]
    claim = services.db[CREDENTIALS].find_one({"claim_key": addresses.key(email)}, {"_id": 1}, sort=newest)
    return services.db["users"].find_one({"_id": claim["_id"] if claim else None})


def claimants_of(services: Backend, email: str) -> list[dict[str, Any]]:
    """Return the accounts that claim this address and have no other of their own, the oldest claim first."""
    match, oldest = {"claim_key": addresses.key(email)}, [("claimed_at", 1)]
    claims = services.db[CREDENTIALS].find(match, {"_id": 1}).sort(oldest).limit(MOST_CLAIMS)
    ids = [claim["_id"] for claim in claims]
    found = services.db["users"].find({"_id": {"$in": ids}, "email_key": None})
    return sorted(found, key=lambda user: ids.index(user["_id"]))


def read_credentials(services: Backend, user: ObjectId | None) -> dict[str, Any]:
    """Return the secrets of a user, empty where there are none."""
    return services.db[CREDENTIALS].find_one({"_id": user}) or {}


def check_password(services: Backend, user: ObjectId, password: str) -> bool:
    """Tell whether this is the user's password."""
    return services.passwords.verify(read_credentials(services, user).get("password_hash"), password)


def set_password(
    services: Backend, user: Mapping[str, Any], password: str, end: Callable[[], object]
) -> None:
    """Store a new password; raise BadAccount if it will not do. `end` ends what the old one let in.

    It is called before it too: a process that dies on the way has ended that for nothing, and never leaves a session
    that was begun with a password which is none any more.
    """
    wrong = complaint(password, user.get("username"), user.get("email"))
    if wrong:
        raise BadAccount({"password": wrong})
    fields = {"password_hash": services.passwords.hash(password), "password_changed_at": clock.now()}
    end()
    services.db[CREDENTIALS].update_one({"_id": user["_id"]}, {"$set": fields}, upsert=True)
    end()


def claim_address(services: Backend, user: ObjectId, email: str) -> None:
    """Note a new address as claimed; it replaces the present one when it is verified."""
    email = addresses.normal(email)
    if not is_address(email):
        raise BadAccount({"email": next(addresses.issues(email))})
    services.db[CREDENTIALS].update_one({"_id": user}, {"$set": claim_of(email)}, upsert=True)


def confirm_address(store: Store, user: ObjectId, email: str) -> bool:
    """Give a verified address to the account. False if it no longer claims it; the store's 409 if taken."""
    db = store.services.db
    held = {"_id": user, "claim_key": addresses.key(email)}
    if db[CREDENTIALS].find_one(held, {"_id": 1}) is None:
        return False
    changed = store.change("users", {"_id": user}, set={"email": email, "email_verified": True})
    db[CREDENTIALS].update_one(held, {"$unset": NO_CLAIM})
    drop_other_claims(backend_of(store), user, email)
    return changed is not None


def drop_other_claims(services: Backend, user: ObjectId, email: str) -> None:
    """End all claims on an address that now belongs to a user, and the letters that were sent there for them."""
    db, key = services.db, addresses.key(email)
    claims = [
        found["_id"] for found in db[CREDENTIALS].find({"claim_key": key, "_id": {"$ne": user}}, {"_id": 1})
    ]
    db[CREDENTIALS].update_many({"_id": {"$in": claims}, "claim_key": key}, {"$unset": NO_CLAIM})
    drop_sent_to(db, claims, email)


def was_sent_to(services: Backend, user: Mapping[str, Any], address: str) -> str | None:
    """Tell what a letter's address is to the user now: `proved`, `claimed` (and no other is proved), or None."""
    if user.get("email"):
        return "proved" if addresses.key(user["email"]) == addresses.key(address) else None
    claim = read_credentials(services, user["_id"]).get("claim_key")
    return "claimed" if claim == addresses.key(address) else None


def address_of(services: Backend, user: Mapping[str, Any]) -> str | None:
    """Return where to write to a user: the verified address, else the claimed one."""
    address: str | None = user.get("email") or read_credentials(services, user["_id"]).get("claim")
    return address


def is_active(store: Store, user: ObjectId, session: ClientSession | None = None) -> bool:
    """Tell whether somebody may do anything at all, as MongoDB has it: there, and not suspended."""
    match = {"_id": user, "status": "active"}
    return store.collection("users").count_documents(match, limit=1, session=session) > 0
