"""Rate limits: the class of each request comes from its declaration, the verdict from the limiter."""

from flask import Response, request

from machine.access.rates import RATES
from machine.current import app, g
from machine.http.problem import Problem
from machine.http.route import asked_spec

# The variable of the WSGI environment in which the front leaves its count of a request. No client can set it.
VERDICT = "marquee.verdict"


def rate_class() -> str:
    """Return the class of this request: declared by its route or resource, else read or write."""
    spec = asked_spec()
    if spec is not None and spec.rate:
        return spec.rate
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return "read"
    resource = app().base_of.get((request.endpoint or "").split("|")[0])
    declared = app().registry[resource].rate if resource else None
    return declared or "write"


def limit() -> None:
    """Count the request; refuse it with 429 when its caller has had enough."""
    counted = request.environ.pop(VERDICT, None)
    caller = str(g.caller.id) if g.caller.id else None
    g.verdict = counted or app().services.limiter.hit(rate_class(), caller, request.remote_addr or "")
    if not g.verdict.allowed:
        raise Problem(429, "rate_limited")


def limit_use(rate_class: str, *, ticket: str = "", **protected: str) -> None:
    """Count a use of something against what protects it, whoever asks: account=..., recipient=..., video=...

    Refuse it with 429 when there were enough. Call it before what is expensive, or what tells something.
    """
    limiter, address = app().services.limiter, request.remote_addr or ""
    verdict = limiter.hit(rate_class, None, address, ticket=ticket, **protected)
    if verdict.limit and not RATES[rate_class].quiet:
        g.verdict = verdict
    if not verdict.allowed:
        raise Problem(429, "rate_limited", headers=verdict.headers())


def forgive_use(rate_class: str, *, ticket: str = "", **protected: str) -> None:
    """Give back what was spent from this address on something that the caller has just proved to own."""
    app().services.limiter.forgive(rate_class, request.remote_addr or "", ticket=ticket, **protected)


def describe(response: Response) -> Response:
    """Tell the client where it stands (IETF draft: RateLimit header fields for HTTP)."""
    if g.verdict is not None:
        response.headers.update(g.verdict.headers())
    return response
