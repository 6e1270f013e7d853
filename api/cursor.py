"""Opaque signed cursors: where a page ended, bound to the list, its sort and its filter."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import bson

from policy.problem import Problem

MAC_BYTES = 9
Sort = Sequence[tuple[str, int]]


class Cursors:
    """Makes and reads cursors. A token is MAC + BSON {d: direction, v: values}, in URL-safe base64."""

    def __init__(self, secret: str) -> None:
        self.key = blake2b(secret.encode(), digest_size=32, person=b"marquee-cursor").digest()

    def mac(self, payload: bytes, scope: bytes) -> bytes:
        """Sign a payload together with what it is bound to."""
        return blake2b(payload + scope, key=self.key, digest_size=MAC_BYTES).digest()

    def make(self, direction: str, values: Sequence[Any], scope: bytes) -> str:
        """Make the token of a position; `direction` is `n` (next) or `p` (previous)."""
        payload = bson.encode({"d": direction, "v": list(values)})
        return urlsafe_b64encode(self.mac(payload, scope) + payload).rstrip(b"=").decode()

    def read(self, token: str, scope: bytes) -> tuple[str, list[Any]]:
        """Return (direction, values) of a token made for the same scope, else refuse with 400."""
        try:
            raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError as error:
            raise Problem(400, "bad_cursor") from error
        # The decoder skips what is no base64; a token has one spelling only.
        if urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
            raise Problem(400, "bad_cursor")
        mac, payload = raw[:MAC_BYTES], raw[MAC_BYTES:]
        if not hmac.compare_digest(mac, self.mac(payload, scope)):
            raise Problem(400, "bad_cursor")
        position = bson.decode(payload)
        return position["d"], position["v"]


def scope_of(resource: str, sort: Sort, query: Mapping[str, Any]) -> bytes:
    """Return the digest that binds a cursor to its list."""
    return blake2b(
        bson.encode({"r": resource, "s": list(map(list, sort)), "q": query}), digest_size=16
    ).digest()


def flip(sort: Sort) -> list[tuple[str, int]]:
    """Return the opposite sort."""
    return [(name, -way) for name, way in sort]


def beyond(sort: Sort, values: Sequence[Any], nullable: frozenset[str]) -> dict[str, Any]:
    """Return the filter of the documents that come after `values` in this sort.

    The range on the first key stands outside the `$or`, so that the index is entered exactly there.
    MongoDB sorts null before everything else and its range operators never match it.
    """
    (name, way), rest = sort[0], sort[1:]
    value = values[0]
    if not rest:
        return {name: {"$gt" if way > 0 else "$lt": value}}
    tie = {name: value, **beyond(rest, values[1:], nullable)}
    if value is None:
        return tie if way < 0 else {"$or": [tie, {name: {"$ne": None}}]}
    strict, loose = ("$gt", "$gte") if way > 0 else ("$lt", "$lte")
    bounded = {name: {loose: value}, "$or": [{name: {strict: value}}, tie]}
    if way < 0 and name in nullable:
        return {"$or": [bounded, {name: None}]}
    return bounded
