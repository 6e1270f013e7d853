"""All that signs a person in or acts for one, and which event ends what: two tables, and the function that does it.

Code that changes a password, an address, a role or the like calls `end_credentials` with the name of what happened.
What a cell of the table says is tried against the running code (tests/attacks/test_credentials.py), and
docs/security.md shows the table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from bson import ObjectId

from features.backend import backend_of
from features.identity import exports, totp
from features.identity import one_time_tokens as onetime
from features.identity.accounts import CREDENTIALS as SECRETS
from features.identity.accounts import IDENTITIES
from features.identity.sessions import Sessions
from machine.write.store import Store

if TYPE_CHECKING:
    pass


class Fate(Enum):
    """What an event does to a credential that was there before it."""

    ENDS = "ends"
    OTHERS = "ends, but for the session that asks"
    THIS = "ends for the session that asks"
    STAYS = "stays"
    RESTS = "refused while it lasts"
    ITSELF = "ends by the event itself"
    GRANT = "with its session or key"
    EXPIRY = "by its expiry"


@dataclass(frozen=True)
class Credential:
    """One kind of credential. `always`: its fate whatever happens, where no event of ours can reach it."""

    title: str
    always: Fate | None = None


KINDS = {
    "sessions": Credential("sessions, their access and refresh tokens"),
    "api_keys": Credential("API keys"),
    "reset_letters": Credential("letters that set a new password"),
    "verify_letters": Credential("letters that prove an address"),
    "second_factor": Credential("second factor and recovery codes"),
    "provider_link": Credential("sign-in by the OpenID provider, one on its way too"),
    "exports": Credential("exports that were made"),
    "webhooks": Credential("webhooks: what they are told"),
    # What was begun with a session or key asks every second or so whether that still lives.
    "streams": Credential("event streams (a new role ends them too)", Fate.GRANT),
    "uploads": Credential("uploads that are running", Fate.GRANT),
    # They work for everybody who holds them, for one thing, by a signature: nothing is looked up when they are used.
    "signed_urls": Credential("signed URLs, keys that open a locked video", Fate.EXPIRY),
}

PASSWORD_CHANGED, PASSWORD_RESET, TAKEN_OVER = "password_changed", "password_reset", "taken_over"
ADDRESS_CHANGED, ADDRESS_PROVED = "address_changed", "address_proved"
LOGGED_OUT, LOGGED_OUT_OTHERS, LOGGED_OUT_ALL = "logged_out", "logged_out_others", "logged_out_all"
SECOND_FACTOR_CHANGED, ROLE_CHANGED = "second_factor_changed", "role_changed"
SUSPENDED, REACTIVATED, ERASED = "suspended", "reactivated", "erased"

LETTERS = {"reset_letters": Fate.ENDS, "verify_letters": Fate.ENDS}
GRANTS = {"sessions": Fate.ENDS, "api_keys": Fate.ENDS}
ALL_OTHERS = {"sessions": Fate.OTHERS, "api_keys": Fate.ENDS}
# What is not named stays.
EVENTS: dict[str, Mapping[str, Fate]] = {
    PASSWORD_CHANGED: {**ALL_OTHERS, **LETTERS},
    # The second factor stays, or a mailbox alone would be enough; nobody can link a provider to an old account.
    PASSWORD_RESET: {**GRANTS, **LETTERS},
    # Reset by a letter to an address that nobody had proved: whoever made the account may be anybody.
    TAKEN_OVER: {
        **GRANTS, **LETTERS, "second_factor": Fate.ENDS, "provider_link": Fate.ENDS, "exports": Fate.ENDS,
        "webhooks": Fate.ENDS,
    },
    ADDRESS_CHANGED: LETTERS,
    ADDRESS_PROVED: LETTERS,
    LOGGED_OUT: {"sessions": Fate.THIS},
    LOGGED_OUT_OTHERS: {**ALL_OTHERS, **LETTERS},
    LOGGED_OUT_ALL: {**GRANTS, **LETTERS},
    # Other sessions were begun without the factor that is asked for now.
    SECOND_FACTOR_CHANGED: {**ALL_OTHERS, "second_factor": Fate.ITSELF},
    # A session belongs to a person, whose role is looked up each time; a key was made for the rights of its day.
    ROLE_CHANGED: {"api_keys": Fate.ENDS},
    SUSPENDED: {
        **GRANTS, **LETTERS, "second_factor": Fate.RESTS, "provider_link": Fate.RESTS, "exports": Fate.RESTS,
    },
    # The same again: a process that died while suspending must not have left anything to come back.
    REACTIVATED: {**GRANTS, **LETTERS},
    # Secrets and links are deleted in the transaction that deletes the account, webhooks by the job that follows.
    ERASED: {
        **GRANTS, **LETTERS, "exports": Fate.ENDS, "second_factor": Fate.ITSELF, "provider_link": Fate.ITSELF,
        "webhooks": Fate.ITSELF,
    },
}  # fmt: skip
ACTED_ON = (Fate.ENDS, Fate.OTHERS, Fate.THIS)


def fate_of(event: str, kind: str) -> Fate:
    """Return what an event does to a kind of credential."""
    return KINDS[kind].always or EVENTS[event].get(kind, Fate.STAYS)


def end_credentials(store: Store, event: str, user: ObjectId, session: ObjectId | None = None) -> None:
    """End what the event ends for a user. `session`: the one that asks, where the table names it.

    Idempotent. Call it after the change is written, and before too where a crash between must not leave both the
    change and what it should have ended.
    """
    fates = EVENTS[event]
    if session is None and {Fate.OTHERS, Fate.THIS} & set(fates.values()):
        raise ValueError(f"{event}: which session asks?")
    if fates.get("sessions") in (Fate.ENDS, Fate.OTHERS):
        # Before anything ends: a sign-in on its way either sees this, or its session is seen below.
        store.services.db[SECRETS].update_one({"_id": user}, {"$inc": {"generation": 1}})
    for kind, fate in fates.items():
        if fate in ACTED_ON:
            ENDINGS[kind](store, user, fate, session)


def end_sessions(store: Store, user: ObjectId, fate: Fate, session: ObjectId | None) -> None:
    """End the sessions of a user: all, all others, or only the one that asks."""
    only, keep = (session if fate is one else None for one in (Fate.THIS, Fate.OTHERS))
    Sessions(backend_of(store), store).end(user, only=only, keep=keep)


def end_keys(store: Store, user: ObjectId, *_: Any) -> None:
    """Delete a user's API keys, and refuse them from now on."""
    tokens = backend_of(store).tokens
    keys = [found["_id"] for found in store.services.db["api_keys"].find({"user": user}, {"_id": 1})]
    store.clear("api_keys", {"_id": {"$in": keys}})
    tokens.liveness.end_grants(keys)
    tokens.api_keys.forget(keys)


def end_webhooks(store: Store, user: ObjectId, *_: Any) -> None:
    """Delete a user's webhooks: they would go on sending what happens here to the person who set them up."""
    for webhook in store.services.db["webhooks"].find({"owner": user}, {"_id": 1}):
        while (found := store.get("webhooks", webhook["_id"])) is not None:
            if store.remove("webhooks", found):
                break


ENDINGS: dict[str, Callable[[Store, ObjectId, Fate, ObjectId | None], object]] = {
    "sessions": end_sessions,
    "api_keys": end_keys,
    "reset_letters": lambda store, user, *_: onetime.drop(store.services.db, user, onetime.RESET),
    "verify_letters": lambda store, user, *_: onetime.drop(store.services.db, user, onetime.VERIFY),
    "second_factor": lambda store, user, *_: totp.end(store.services, user),
    "provider_link": lambda store, user, *_: store.services.db[IDENTITIES].delete_many({"user": user}),
    "exports": lambda store, user, *_: exports.drop(store.services.db, {"metadata.user": user}),
    "webhooks": end_webhooks,
}
