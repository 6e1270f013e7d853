"""Opaque signed cursors: where a page ended, bound to the list, its sort and its filter."""

from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any

import bson
from itsdangerous import BadSignature, Signer
from itsdangerous.encoding import base64_decode, base64_encode

from machine.http.problem import Problem

# Sixteen bytes keep tokens short, and cannot be guessed.
DIGEST = partial(blake2b, digest_size=16)
Sort = Sequence[tuple[str, int]]
Step = tuple[dict[str, Any], list[tuple[str, int]]]


class Cursors:
    """Makes and reads cursors. A token is BSON {d: direction, v: values} in URL-safe base64, and its signature."""

    def __init__(self, secret: str) -> None:
        self.key = blake2b(secret.encode(), digest_size=32, person=b"marquee-cursor").digest()

    def signer(self, scope: bytes) -> Signer:
        """Return what signs and checks the tokens of one list."""
        return Signer(self.key, salt=scope, key_derivation="hmac", digest_method=DIGEST)

    def make(self, direction: str, values: Sequence[Any], scope: bytes) -> str:
        """Make the token of a position; `direction` is `n` (next) or `p` (previous), with a `t` where tied."""
        payload = bson.encode({"d": direction, "v": list(values)})
        return self.signer(scope).sign(base64_encode(payload)).decode()

    def read(self, token: str, scope: bytes) -> tuple[str, list[Any]]:
        """Return (direction, values) of a token made for the same scope, else refuse with 400."""
        signer = self.signer(scope)
        try:
            signed = signer.unsign(token.encode())
        except (BadSignature, UnicodeEncodeError) as error:
            raise Problem(400, "bad_cursor") from error
        # The signature's last letter has bits that its decoder drops; a token has one spelling only.
        if signer.sign(signed).decode() != token:
            raise Problem(400, "bad_cursor")
        position = bson.decode(base64_decode(signed))
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
