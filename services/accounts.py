"""Accounts: create one, prove that a password belongs to it, change its password and its address.

An address belongs to an account (`users.email`, unique) once it is verified. Until then it is only a claim,
kept with the credentials; several accounts may claim one address, so registering tells nobody who has it.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from bson import ObjectId

import services.onetime as onetime
from services.passwords import complaint

if TYPE_CHECKING:
    from services.base import Connected

CREDENTIALS = "credentials"
USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{2,29}")
EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
EMAIL_LENGTH = 254


class BadAccount(Exception):
    """The account cannot be made or changed like this; `issues` maps fields to messages."""

    def __init__(self, issues: dict[str, str]) -> None:
        super().__init__("; ".join(f"{field} {message}" for field, message in issues.items()))
        self.issues = issues


class Store(Protocol):
    """What is asked of the store that writes resources."""

    @property
    def services(self) -> "Connected": ...
    def insert(self, resource: str, document: dict[str, Any], session: Any = None) -> dict[str, Any]: ...
    def change(
        self, resource: str, match: Mapping[str, Any], set: Mapping[str, Any] | None = None
    ) -> dict[str, Any] | None: ...
    def in_transaction(self, work: Any) -> Any: ...


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
    check(username, email, password)
    services = store.services
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
    return created


def check(username: str, email: str, password: str | None) -> None:
    """Raise BadAccount naming every field that will not do."""
    issues = {}
    if not USERNAME.fullmatch(username):
        issues["username"] = "must be 3 to 30 letters, digits, dots, dashes or underscores"
    if email and not is_address(email):
        issues["email"] = "must be an e-mail address"
    wrong = complaint(password, username, email) if password is not None else None
    if wrong:
        issues["password"] = wrong
    if issues:
        raise BadAccount(issues)


def is_address(email: str) -> bool:
    """Tell whether it looks like an address; only a mail to it proves that it is one."""
    return len(email) <= EMAIL_LENGTH and EMAIL.fullmatch(email) is not None


def claim_of(email: str) -> dict[str, Any]:
    """Return the fields of an unverified address."""
    return {"claim": email, "claim_key": email.casefold(), "claimed_at": datetime.now(UTC)}


def authenticate(
    services: "Connected", password: str, tried: list[dict[str, Any] | None]
) -> dict[str, Any] | None:
    """Return the first of the `candidates` of a login whose password this is, suspended or not; else None.

    Does the same work whoever is asked for: one password check by name, and two by address, for the account
    that owns it and for the one that claimed it last. So neither answer nor time tells whether one exists.
    """
    found = None
    for candidate in tried:
        credentials = read_credentials(services, candidate["_id"] if candidate else None)
        encoded = credentials.get("password_hash")
        if services.passwords.verify(encoded, password) and found is None:
            found = candidate
            if encoded and services.passwords.needs_rehash(encoded):
                rehash = {"$set": {"password_hash": services.passwords.hash(password)}}
                services.db[CREDENTIALS].update_one(
                    {"_id": credentials["_id"], "password_hash": encoded}, rehash
                )
    return found


def candidates(services: "Connected", login: str) -> list[dict[str, Any] | None]:
    """Return the accounts a login may mean; None stands for one that is not there."""
    if "@" not in login:
        return [services.db["users"].find_one({"username_key": login.casefold()})]
    return [owner_of(services, login), claimant_of(services, login)]


def owner_of(services: "Connected", email: str) -> dict[str, Any] | None:
    """Return the account that has verified this address."""
    return services.db["users"].find_one({"email_key": email.casefold()})


def claimant_of(services: "Connected", email: str) -> dict[str, Any] | None:
    """Return the account that claimed this address last and has not verified it."""
    newest = [("claimed_at", -1)]
    claim = services.db[CREDENTIALS].find_one({"claim_key": email.casefold()}, {"_id": 1}, sort=newest)
    return services.db["users"].find_one({"_id": claim["_id"] if claim else None})


def read_credentials(services: "Connected", user: ObjectId | None) -> dict[str, Any]:
    """Return the secrets of a user, empty where there are none."""
    return services.db[CREDENTIALS].find_one({"_id": user}) or {}


def check_password(services: "Connected", user: ObjectId, password: str) -> bool:
    """Tell whether this is the user's password."""
    return services.passwords.verify(read_credentials(services, user).get("password_hash"), password)


def set_password(
    services: "Connected", user: Mapping[str, Any], password: str, end_sessions: Callable[[], object]
) -> None:
    """Store a new password; raise BadAccount if it will not do. Mailed tokens become useless.

    Sessions end before it too: a process that dies on the way has ended them for nothing, and never leaves one that
    was begun with a password which is none any more.
    """
    wrong = complaint(password, user.get("username"), user.get("email"))
    if wrong:
        raise BadAccount({"password": wrong})
    fields = {"password_hash": services.passwords.hash(password), "password_changed_at": datetime.now(UTC)}
    end_sessions()
    services.db[CREDENTIALS].update_one({"_id": user["_id"]}, {"$set": fields}, upsert=True)
    end_sessions()
    onetime.drop(services.db, user["_id"])


def claim_address(services: "Connected", user: ObjectId, email: str) -> None:
    """Note a new address as claimed; it replaces the present one when it is verified."""
    if not is_address(email):
        raise BadAccount({"email": "must be an e-mail address"})
    services.db[CREDENTIALS].update_one({"_id": user}, {"$set": claim_of(email)}, upsert=True)


def confirm_address(store: Store, user: ObjectId, email: str) -> bool:
    """Give a verified address to the account. False if it no longer claims it; the store's 409 if taken."""
    db = store.services.db
    held = {"_id": user, "claim_key": email.casefold()}
    if db[CREDENTIALS].find_one(held, {"_id": 1}) is None:
        return False
    changed = store.change("users", {"_id": user}, set={"email": email, "email_verified": True})
    db[CREDENTIALS].update_one(held, {"$unset": {"claim": "", "claim_key": "", "claimed_at": ""}})
    return changed is not None


def address_of(services: "Connected", user: Mapping[str, Any]) -> str | None:
    """Return where to write to a user: the verified address, else the claimed one."""
    address: str | None = user.get("email") or read_credentials(services, user["_id"]).get("claim")
    return address
