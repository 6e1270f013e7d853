"""Opaque signed cursors: where a page ended, bound to the list, its sort and its filter."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import bson

from machine.http.problem import Problem

MAC_BYTES = 9
Sort = Sequence[tuple[str, int]]
Step = tuple[dict[str, Any], list[tuple[str, int]]]


class Cursors:
    """Makes and reads cursors. A token is MAC + BSON {d: direction, v: values}, in URL-safe base64."""

    def __init__(self, secret: str) -> None:
        self.key = blake2b(secret.encode(), digest_size=32, person=b"marquee-cursor").digest()

    def mac(self, payload: bytes, scope: bytes) -> bytes:
        """Sign a payload together with what it is bound to."""
        return blake2b(payload + scope, key=self.key, digest_size=MAC_BYTES).digest()

    def make(self, direction: str, values: Sequence[Any], scope: bytes) -> str:
        """Make the token of a position; `direction` is `n` (next) or `p` (previous), with a `t` where tied."""
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


def following(sort: Sort, values: Sequence[Any], nullable: frozenset[str], tied: bool) -> list[Step]:
    """Return (filter, sort) pairs whose results, one after the other, are the documents that come after `values`.

    Usually one does, at the cost of passing by the documents that share the first value and were seen before.
    Where a whole page shared it (`tied`) these may be many: then they are asked for first, and the others apart. A
    single `$or` would not do: with a null among the equalities MongoDB sorts its branches in memory.
    """
    (name, way), rest = sort[0], sort[1:]
    step = further(way, values[0], is_nullable(name, nullable))
    if not rest or not (tied or values[0] is None):
        return [(beyond(sort, values, nullable), list(sort))]
    ties = ({name: values[0], **beyond(rest, values[1:], nullable)}, list(rest))
    return [ties, ({name: step}, list(sort))] if step else [ties]


def beyond(sort: Sort, values: Sequence[Any], nullable: frozenset[str]) -> dict[str, Any]:
    """Return one filter of the documents that come after `values` in this sort.

    The range on the first key stands outside the `$or`, so that the index is entered exactly there.
    """
    (name, way), rest = sort[0], sort[1:]
    value, absent = values[0], is_nullable(name, nullable)
    step = further(way, value, absent)
    if not rest:
        return {name: step}
    tie = {name: value, **beyond(rest, values[1:], nullable)}
    if step is None:
        return tie
    if value is None:
        return {"$or": [tie, {name: step}]}
    loose = {"$gte": value} if way > 0 else {"$not": {"$gt": value}} if absent else {"$lte": value}
    return {name: loose, "$or": [{name: step}, tie]}


def further(way: int, value: Any, absent: bool) -> dict[str, Any] | None:
    """Return the condition of the values beyond one, None where there are none.

    Null and absent come before everything else, and range operators never match them.
    """
    if value is None:
        return {"$ne": None} if way > 0 else None
    if way > 0:
        return {"$gt": value}
    return {"$not": {"$gte": value}} if absent else {"$lt": value}


def is_nullable(path: str, nullable: frozenset[str]) -> bool:
    """Tell whether a sort key may be null or absent."""
    return path.split(".")[0] in nullable
