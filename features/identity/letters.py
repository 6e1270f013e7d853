"""The letters (e-mails) of the platform: what each says, and how one is recorded to be sent.

A letter is owed as a job and written by the worker, where its token is made too. So no secret lies in the
ledger, a request never waits for SMTP, and asking takes the same time whether or not there is an account.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bson import ObjectId

from clients import addresses
from features.identity import accounts
from features.identity import one_time_tokens as onetime
from machine.access.sealing import digest

if TYPE_CHECKING:
    from features.backend import Backend

RESET_CLAIMED = "reset_claimed"
VERIFY, RESET, PASSWORD_CHANGED, ADDRESS_CHANGED = "verify", "reset", "password_changed", "address_changed"
JOB = "mail"

GREETING = "Hello {username},\n"
TEXTS = {
    VERIFY: (
        "Confirm your address",
        GREETING + "\nplease confirm that this address is yours. Sign in as {username}, then:\n\n"
        '  POST {api}/auth/verify-email\n  {{"token": "{token}"}}\n\n'
        "The token works once, within three days, and for {username} only. If that is not you, ignore this letter:\n"
        "then the address never becomes theirs.\n",
    ),
    RESET: (
        "Choose a new password",
        GREETING + "\nsomebody, hopefully you, asked for a new password:\n\n"
        '  POST {api}/auth/reset\n  {{"token": "{token}", "password": "..."}}\n\n'
        "The token works once, within an hour. If it was not you, ignore this letter.\n",
    ),
    RESET_CLAIMED: (
        "Choose a new password",
        "Hello,\n\nsomebody, hopefully you, asked for a new password. Nobody has confirmed this address yet. These\n"
        "accounts name it:\n\n{accounts}"
        "Use only the token of an account that you made yourself; it works once, within an hour. It signs everybody\n"
        "out of that account, ends its API keys, second factor and webhooks, and makes the address that account's\n"
        "alone. What was put into the account stays. If none of them is yours, ignore this letter.\n",
    ),
    PASSWORD_CHANGED: (
        "Your password was changed",
        GREETING + "\nyour password was changed, and other devices were signed out.\n"
        "If it was not you, ask for a new one at once: POST {api}/auth/forgot\n",
    ),
    ADDRESS_CHANGED: (
        "Your address was changed",
        GREETING + "\nyour account now has another e-mail address.\n"
        "If it was not you, write to the operator of this site.\n",
    ),
    "address_in_use": (
        "You already have an account",
        GREETING + "\nsomebody tried to use this address for another account. Nothing has changed.\n"
        "If it was you: sign in as {username}, or ask for a new password: POST {api}/auth/forgot\n",
    ),
}


# One account in a letter to an address that nobody has confirmed.
NAMED = "Account {username}:\n"
CLAIMED = NAMED + '  POST {api}/auth/reset\n  {{"token": "{token}", "password": "..."}}\n\n'


def greeting(username: str) -> str:
    """Return how every letter to a person begins."""
    return GREETING.format(username=username)


def forget(services: "Backend", user: dict[str, Any]) -> None:
    """Delete the letters to a person that this machine has filed; what was posted is out of reach."""
    claim = accounts.read_credentials(services, user["_id"]).get("claim")
    services.mail.forget(
        filter(None, (user.get("email"), claim)), (greeting(user["username"]), NAMED.format(**user))
    )


def owe(
    services: "Backend",
    kind: str,
    user: ObjectId | None,
    address: str = "",
    *,
    counted_for: str = "",
    others: Sequence[ObjectId] = (),
) -> None:
    """Record a letter to a user; for None the same job is recorded, and has nothing to write when it runs.

    `counted_for`: the claim that the letter was counted against; if it has changed until then, none is written.
    `others`: further accounts that a RESET letter is about, where several claim the address and none owns it.
    """
    subject = {"resource": "users", "id": user}
    payload = {
        "letter": kind, "address": address, "counted_for": recipient_key(counted_for), "others": list(others),
    }  # fmt: skip
    services.jobs.owe(JOB, subject, f"{JOB}:{secrets.token_hex(12)}", payload)


def write(services: "Backend", user_id: ObjectId | None, owed: Mapping[str, Any]) -> None:
    """Write and send a letter that `owe` has recorded; nothing where the user or the address is gone."""
    kind, address, counted_for = owed["letter"], owed.get("address"), owed.get("counted_for")
    user = services.db["users"].find_one({"_id": user_id})
    to = address or (address_for(services, kind, user) if user else None)
    if user is None or not to or (counted_for and counted_for != recipient_key(to)):
        return
    # Where the address is proven, notices are not limited: a thief would use up the limit first.
    claimed = kind == PASSWORD_CHANGED and not user.get("email")
    if claimed and not services.limiter.hit("letter", None, "", recipient=to).allowed:
        return
    facts: dict[str, Any] = {"username": user["username"], "api": f"{services.settings.public_url}/api/v1"}
    if kind == VERIFY:
        holder = accounts.owner_of(services, to)
        if holder is not None and holder["_id"] != user["_id"]:
            kind, facts["username"] = "address_in_use", holder["username"]
    if kind == RESET and not user.get("email"):
        kind, facts["accounts"] = (
            RESET_CLAIMED,
            list_claims(services, [user["_id"], *owed.get("others", ())], to, facts["api"]),
        )
    if kind in (VERIFY, RESET):
        facts["token"] = onetime.issue(services.db, kind, user["_id"], to)
    subject, text = TEXTS[kind]
    services.mail.send(to, subject, text.format(**facts))


def recipient_key(address: str) -> str:
    """Name a recipient where the address itself is not to be kept."""
    return digest(addresses.key(address)) if address else ""


def list_claims(services: "Backend", users: Sequence[ObjectId], address: str, api: str) -> str:
    """Make a reset token for each account that claims the address still; return what the letter says of them."""
    lines = []
    for user in services.db["users"].find({"_id": {"$in": users}}).sort("_id", 1):
        if accounts.was_sent_to(services, user, address) == "claimed":
            token = onetime.issue(services.db, RESET, user["_id"], address)
            lines.append(CLAIMED.format(username=user["username"], token=token, api=api))
    return "".join(lines)


def address_for(services: "Backend", kind: str, user: dict[str, Any]) -> str | None:
    """Return where a letter goes: a claim to be verified, else wherever the user can be reached."""
    if kind == VERIFY:
        claim: str | None = accounts.read_credentials(services, user["_id"]).get("claim")
        return claim
    return accounts.address_of(services, user)
