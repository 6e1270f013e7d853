"""The one table of rate limits, and what the limiter answers."""

from dataclasses import dataclass

MINUTE, HOUR = 60, 3600
CALLER, ADDRESS, ACCOUNT = "caller", "address", "account"
# Without Redis every process counts for itself, so the exact classes get this share of their quota in each.
STRICT_SHARE = 3


@dataclass(frozen=True)
class Rate:
    """So many requests in so many seconds. `per` caller: the verified user, else the address."""

    quota: int
    seconds: int
    per: str = CALLER


@dataclass(frozen=True)
class RateClass:
    """The rates of one class of requests. `exact`: a moving window, and stricter without Redis."""

    rates: tuple[Rate, ...]
    exact: bool = False


# The one table. Limits per account come on top of those per address: many addresses may try one account,
# and one address may try many.
RATES: dict[str, RateClass] = {
    "login": RateClass(
        (Rate(60, MINUTE, ADDRESS), Rate(600, HOUR, ADDRESS), Rate(10, 5 * MINUTE, ACCOUNT)), exact=True
    ),
    # Asked again of somebody who is signed in, and of somebody who has the password already.
    "password": RateClass((Rate(10, 5 * MINUTE, ACCOUNT),), exact=True),
    "code": RateClass((Rate(6, 15 * MINUTE, ACCOUNT), Rate(24, 24 * HOUR, ACCOUNT)), exact=True),
    "register": RateClass((Rate(30, MINUTE, ADDRESS), Rate(200, HOUR, ADDRESS)), exact=True),
    "reset": RateClass((Rate(20, 15 * MINUTE, ADDRESS), Rate(5, HOUR, ACCOUNT)), exact=True),
    "verify": RateClass((Rate(30, 5 * MINUTE, ADDRESS),), exact=True),
    "sensitive": RateClass((Rate(20, 5 * MINUTE),), exact=True),
    "refresh": RateClass((Rate(120, MINUTE, ADDRESS),), exact=True),
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
    return Rate(max(1, rate.quota // STRICT_SHARE), rate.seconds, rate.per)
