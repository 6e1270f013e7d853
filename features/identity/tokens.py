"""Sign and verify access tokens; whatever stands behind `Bearer` becomes Claims or BadToken here.

Rules: RFC 8725 (JWT best practice), RFC 9068 (access token profile).
"""

import hashlib
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt
from bson import ObjectId
from jwt.utils import base64url_decode, base64url_encode

from features.identity.api_keys import ApiKeys, is_api_key
from features.identity.liveness import Liveness
from features.identity.signing_keys import LEEWAY_SECONDS, Key, KeyRing
from machine.access.claims import BadToken, Claims, FalseCredential, TooManyFalse
from machine.access.rates import UNLIMITED

if TYPE_CHECKING:
    from machine.connected import Connected

ALGORITHM = "EdDSA"
TYPE = "at+jwt"
AUDIENCE = "marquee"
MAX_LENGTH = 2048
CACHED = 10_000
KEY_CACHE_SECONDS = 60.0
HEADERS = {"alg", "typ", "kid"}
REQUIRED = ["iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp"]
SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
KID = re.compile(r"[0-9a-f]{16}")
# Seconds by which the clock of the instance that signed a token may be ahead of ours.
CLOCK_SECONDS = 300
LATEST = 2**40  # seconds since 1970: the year 36812
HEX_ID = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True)
class Proof:
    """What verifying once has established and may be remembered; liveness is asked every time."""

    user: ObjectId
    grant: ObjectId
    kind: str
    kid: str
    expires: float
    scopes: frozenset[str] | None = None
    # When the token or key ends, in seconds since 1970; `expires` is when it must be checked again.
    ends: float = float("inf")


class Tokens:
    """Issues access tokens, and verifies them and API keys alike."""

    def __init__(self, services: "Connected") -> None:
        self.services = services
        self.settings = services.settings
        self.ring = KeyRing(services.db, services.settings)
        self.api_keys = ApiKeys(services)
        self.liveness = Liveness(services, self.settings.access_token_seconds + LEEWAY_SECONDS)
        self.proofs: OrderedDict[bytes, Proof] = OrderedDict()
        self.lock = threading.Lock()

    def issue(self, user: Mapping[str, Any], session_id: ObjectId) -> tuple[str, int]:
        """Return (access token, seconds it lives) for a user document and a session."""
        key, private = self.ring.signing()
        now = int(time.time())
        lifetime = int(self.settings.access_token_seconds)
        claims = {
            "iss": self.settings.public_url,
            "aud": AUDIENCE,
            "sub": str(user["_id"]),
            "sid": str(session_id),
            "jti": secrets.token_urlsafe(12),
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "roles": [user.get("role", "user")],
        }
        headers = {"typ": TYPE, "kid": key.kid}
        return jwt.encode(claims, private, algorithm=ALGORITHM, headers=headers), lifetime

    def verify(self, token: str, address: str | None = None) -> Claims:
        """Return who stands behind an access token or API key; raise BadToken. Revocation acts at once.

        False ones are counted against the address that sent them, and raise TooManyFalse in the end.
        """
        mark = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        proof = self.proofs.get(mark)
        if proof is None or not self.still_holds(proof):
            proof = self.prove_counted(token, mark, address, known=proof is not None)
            self.remember(mark, proof)
        state = self.liveness.check(proof.kind, proof.grant, proof.user)
        if state is None:
            raise BadToken("It was revoked.")
        if not state.active:
            raise BadToken("The account is suspended.")
        session = proof.grant if proof.kind == "sessions" else None
        key = proof.grant if session is None else None
        return Claims(proof.user, session, state.role, state.username, proof.scopes, key, proof.ends)

    def prove_counted(self, token: str, mark: bytes, address: str | None, known: bool) -> Proof:
        """Prove a token, and count it if it is false. Where there were too many of those, it is not looked up.

        Signatures are checked all the same, since that asks nobody: neighbours of an attacker stay signed in. So is a
        key that was right a minute ago (`known`).
        """
        limiter, named = self.services.limiter, mark.hex()
        verdict = UNLIMITED
        if address is not None and not known:
            verdict = limiter.look("credential", address, credential=named)
        try:
            return self.prove(token, verdict.allowed)
        except FalseCredential:
            if address is not None:
                self.count_false(named, address)
            raise

    def count_false(self, credential: str, address: str) -> None:
        """Count a false credential; raise TooManyFalse when that is one too many."""
        limiter = self.services.limiter
        verdict = limiter.look("credential", address, credential=credential)
        if verdict.allowed:
            from_here = limiter.hit("credential", None, address)
            of_this = limiter.hit("credential", None, address, credential=credential)
            verdict = of_this if from_here.allowed else from_here
        if not verdict.allowed:
            raise TooManyFalse(verdict)

    def prove(self, token: str, look_up: bool = True) -> Proof:
        """Check everything about a token that does not change while it lives."""
        if is_api_key(token):
            found = self.api_keys.find(token) if look_up else None
            if found is None:
                raise FalseCredential("There is no such key, or it has expired.")
            self.api_keys.note_use(found["_id"])
            ends = found["expires_at"].timestamp() if found.get("expires_at") else float("inf")
            expires = min(ends, time.time() + KEY_CACHE_SECONDS)
            return Proof(
                found["user"], found["_id"], "api_keys", "", expires, frozenset(found["scopes"]), ends
            )
        header = read_header(token)
        key = self.ring.verifying(header["kid"])
        if key is None:
            raise FalseCredential("It is signed with a key that is not in use.")
        return proof_from(self.decode(token, key), key.kid)

    def decode(self, token: str, key: Key) -> dict[str, Any]:
        """Check signature and registered claims. The algorithm is bound to the key, not the token's."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.public,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=self.settings.public_url,
                leeway=0,
                options={
                    "require": REQUIRED,
                    "strict_aud": True,
                    "enforce_minimum_key_length": True,
                    # Compared below: another instance's clock may be ahead.
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.ExpiredSignatureError:
            raise BadToken("It has expired.") from None
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError):
            raise FalseCredential("It is not one of ours.") from None
        return claims

    def still_holds(self, proof: Proof) -> bool:
        """Tell whether a remembered proof has neither expired nor lost its key."""
        if proof.expires <= time.time():
            return False
        return not proof.kid or self.ring.verifying(proof.kid) is not None

    def remember(self, mark: bytes, proof: Proof) -> None:
        """Keep a proof under the token's hash; the oldest go when there are too many."""
        with self.lock:
            self.proofs[mark] = proof
            while len(self.proofs) > CACHED:
                self.proofs.popitem(last=False)


def read_header(token: str) -> dict[str, str]:
    """Return the header of a well-formed access token; raise FalseCredential for what only resembles one."""
    if len(token) > MAX_LENGTH or not SHAPE.fullmatch(token):
        raise FalseCredential("It is not an access token.")
    try:
        # A signature has one spelling: spare bits in its base64 would make two names of one token.
        tail = token.rsplit(".", 1)[1]
        spelled_once = base64url_encode(base64url_decode(tail)).decode() == tail
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise FalseCredential("It is not an access token.") from None
    if not spelled_once or set(header) != HEADERS or header["alg"] != ALGORITHM or header["typ"] != TYPE:
        raise FalseCredential("It is not an access token.")
    if not isinstance(header["kid"], str) or not KID.fullmatch(header["kid"]):
        raise FalseCredential("It is not an access token.")
    return header


def proof_from(claims: Mapping[str, Any], kid: str) -> Proof:
    """Turn verified claims into a proof; PyJWT would let a number pass as text."""
    times = [claims["exp"], claims["nbf"], claims["iat"]]
    ids = [claims["sub"], claims["sid"]]
    if any(type(moment) is not int or not 0 < moment < LATEST for moment in times):
        raise BadToken("It is not one of ours.")
    if max(claims["nbf"], claims["iat"]) > time.time() + CLOCK_SECONDS:
        raise BadToken("It is not valid yet.")
    if any(not isinstance(one, str) or not HEX_ID.fullmatch(one) for one in ids):
        raise BadToken("It is not one of ours.")
    return Proof(
        ObjectId(ids[0]), ObjectId(ids[1]), "sessions", kid, float(claims["exp"]), None, float(claims["exp"])
    )
