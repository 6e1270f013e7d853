"""What a `Bearer` credential proves: who it is (claims), by which session or key (the grant), or why it is refused."""

from dataclasses import dataclass
from typing import NamedTuple

from bson import ObjectId

from machine.access.rates import Verdict


class BadToken(Exception):
    """The token is not accepted; the message is fit for the client."""


class FalseCredential(BadToken):
    """A credential that was never valid, as far as can be known; such are counted."""


class TooManyFalse(Exception):
    """Too many false credentials came from an address: its next one is not looked up. The verdict says how long."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__("too many false credentials")
        self.verdict = verdict


@dataclass(frozen=True)
class Claims:
    """Who stands behind a token, as of now. `scopes` None: everything the role may do."""

    user: ObjectId
    session: ObjectId | None
    role: str
    username: str
    scopes: frozenset[str] | None = None
    key: ObjectId | None = None
    until: float = float("inf")


class Grant(NamedTuple):
    """A session or API key, and whose it is. `kind` is the collection: `sessions` or `api_keys`."""

    kind: str
    id: ObjectId
    user: ObjectId


def grant_of(user: ObjectId | None, session: ObjectId | None, key: ObjectId | None) -> Grant:
    """Return what somebody is signed in by: the key where there is one, else the session."""
    kind, grant = ("sessions", session) if key is None else ("api_keys", key)
    if user is None or grant is None:
        raise ValueError("nobody is signed in")
    return Grant(kind, grant, user)


@dataclass(frozen=True)
class UserState:
    """What counts of a user at this moment."""

    role: str
    username: str
    active: bool
