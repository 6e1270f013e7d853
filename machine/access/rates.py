"""The one table of rate limits: what each class protects, by what quota; and what the limiter answers."""

from dataclasses import dataclass

MINUTE, HOUR = 60, 3600
# What a rate protects. The first two are known of every request: the verified user, else the address; and the
# address alone (of IPv6 the /64). Whoever counts the others names them: the account that is guessed at, the address
# that letters go to, the video whose password is tried, the credential that was sent.
CALLER, ADDRESS = "caller", "address"
ACCOUNT, RECIPIENT, VIDEO, CREDENTIAL = "account", "recipient", "video", "credential"
NAMED = frozenset((ACCOUNT, RECIPIENT, VIDEO, CREDENTIAL))
# Without Redis every process counts for itself, so the exact classes get this share of their quota in each.
STRICT_SHARE = 3


@dataclass(frozen=True)
class Rate:
    """A quota: this many requests in this many seconds, for each `per`.

    `forgiven`: who proves the right to what is protected gets back what was spent on it from the same address. What
    others spent stays, and so does what was spent on anything else.
    """

    quota: int
    seconds: int
    per: str = CALLER
    forgiven: bool = False


@dataclass(frozen=True)
class RateClass:
    """The rates of one class of requests.

    `exact`: a moving window, and stricter without Redis. `quiet`: no answer that is not refused says what is left, as
    that would tell what others did.
    """

    rates: tuple[Rate, ...]
    exact: bool = False
    quiet: bool = False

    def per(self, subject: str) -> tuple[Rate, ...]:
        """Return the rates that protect this kind of thing."""
        return tuple(rate for rate in self.rates if rate.per == subject)


# The one table. Limits of what is attacked come on top of those of who asks: many addresses may try one account, and
# one address may try many.
RATES: dict[str, RateClass] = {
    "login": RateClass(
        (
            Rate(60, MINUTE, ADDRESS),
            Rate(600, HOUR, ADDRESS),
            Rate(10, 5 * MINUTE, ACCOUNT, forgiven=True),
        ),
        exact=True,
    ),
    # Asked again of somebody who is signed in, and of somebody who has the password already.
    "password": RateClass((Rate(10, 5 * MINUTE, ACCOUNT, forgiven=True),), exact=True),
    "code": RateClass(
        (Rate(6, 15 * MINUTE, ACCOUNT, forgiven=True), Rate(24, 24 * HOUR, ACCOUNT, forgiven=True)),
        exact=True,
    ),
    "register": RateClass((Rate(30, MINUTE, ADDRESS), Rate(200, HOUR, ADDRESS)), exact=True),
    "reset": RateClass((Rate(20, 15 * MINUTE, ADDRESS),), exact=True),
    # Letters of every kind that somebody can have sent to an address which is not proven to be theirs.
    "letter": RateClass((Rate(5, HOUR, RECIPIENT),), exact=True, quiet=True),
    "verify": RateClass((Rate(30, 5 * MINUTE, ADDRESS),), exact=True),
    "sensitive": RateClass((Rate(20, 5 * MINUTE),), exact=True),
    # A video's password is shared by many who know it; only wrong ones stay counted.
    "unlock": RateClass((Rate(20, 5 * MINUTE), Rate(30, 15 * MINUTE, VIDEO, forgiven=True)), exact=True),
    "refresh": RateClass((Rate(120, MINUTE, ADDRESS),), exact=True),
    # Credentials that were never valid; right ones are not counted.
    "credential": RateClass((Rate(60, MINUTE, ADDRESS), Rate(30, MINUTE, CREDENTIAL))),
    "upload": RateClass((Rate(60, HOUR),), exact=True),
    # The pieces of uploads that have begun: 1 GiB in pieces of 5 MiB are 205, and each is synced to disk.
    "piece": RateClass((Rate(1200, MINUTE),)),
    "write": RateClass((Rate(300, MINUTE),)),
    "read": RateClass((Rate(3000, MINUTE),)),
}


@dataclass(frozen=True)
class Verdict:
    """What the limiter says of one request; the numbers are those of the tightest rate."""

    allowed: bool
    rate_class: str = ""
    limit: int = 0
    remaining: int = 0
    reset_seconds: int = 0
    window_seconds: int = 0

    @property
    def policy_text(self) -> str:
        """Return the value of RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers)."""
        return f'"{self.rate_class}";q={self.limit};w={self.window_seconds}'

    def headers(self) -> dict[str, str]:
        """Return the headers of the answer; none where limits are off."""
        if not self.limit:
            return {}
        state = f'"{self.rate_class}";r={self.remaining};t={self.reset_seconds}'
        headers = {"RateLimit": state, "RateLimit-Policy": self.policy_text}
        return headers if self.allowed else {**headers, "Retry-After": str(max(1, self.reset_seconds))}


UNLIMITED = Verdict(True)


def strict(rate: Rate) -> Rate:
    """Return the rate that holds in a process without Redis."""
    return Rate(max(1, rate.quota // STRICT_SHARE), rate.seconds, rate.per, rate.forgiven)
