"""What schemathesis has to be told, two checks of our own, and the tally of a run: `MARQUEE_TALLY` names its file."""

import atexit
import collections
import functools
import json
import os
from pathlib import Path

import requests
import schemathesis
from schemathesis.core.deserialization import deserialize_yaml
from schemathesis.core.media_types import YAML_MEDIA_TYPES

BYTES = ("application/offset+octet-stream", "image/jpeg", "image/png", "image/webp")
MALFORMED = {400, 413, 415}
# A schema says of these what they look like. Whether such a value was ever given out, whether a filter and a sort go
# together, and whether bytes are a film or a picture, only the server knows. JSON that the tool makes is JSON: what is
# said of it is that a number does not fit 64 bits, or that a name in it is none that MongoDB keeps.
ONLY_THE_SERVER_KNOWS = {
    "bad_cursor",
    "bad_json",
    "invalid_token",
    "query_not_declared",
    "file_empty",
    "file_too_large",
    "not_a_video",
    "not_an_image",
}
# These have a grammar of their own, or bounds that move with the calendar, or go with some kinds of result only.
GRAMMARS = {"where", "after", "before", "since", "until", "fields", "embedded", "type", "tags"}
# Of every operation so many requests are repeated by somebody else: of those that were granted, and of the rest.
REPEATED = {True: 10, False: 2}
REFUSED = range(400, 500)

tally = collections.defaultdict(collections.Counter)
repeated = collections.Counter()
session = requests.Session()


@schemathesis.serializer(*BYTES)
def send_bytes(context, value):
    """Send these bodies as they are."""
    data = value if isinstance(value, bytes) else str(value).encode(errors="replace")
    return {"data": data}


@schemathesis.deserializer(*YAML_MEDIA_TYPES)
def read_yaml(context, response):
    """Read YAML once for the same bytes: our own document takes half a second."""
    return parse_yaml(response.content)


@functools.lru_cache(maxsize=4)
def parse_yaml(content):
    return deserialize_yaml(content)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Keep an administrator from suspending or demoting himself: what follows would be a stranger's."""
    if case.operation.label == "PATCH /api/v1/me" and isinstance(case.body, dict):
        for name, words, kept in (
            ("status", ("suspended",), "active"),
            ("role", ("user", "moderator"), "admin"),
        ):
            if case.body.get(name) in words:
                case.body[name] = kept


@schemathesis.hook
def after_call(context, case, response):
    """Count the answers by operation and status."""
    tally[case.operation.label][response.status_code] += 1
    if sum(tally[case.operation.label].values()) % 20 == 0:
        write_tally()


@atexit.register
def write_tally():
    """Replace the file at once: it is read meanwhile."""
    if file := os.environ.get("MARQUEE_TALLY"):
        Path(f"{file}.new").write_text(json.dumps(tally))
        os.replace(f"{file}.new", file)


@schemathesis.check
def valid_requests_are_not_called_malformed(context, response, case):
    """A request that fits the document is told 400, 413 or 415 only for what no schema can say."""
    if (
        case.meta is None
        or not case.meta.generation.mode.is_positive
        or response.status_code not in MALFORMED
    ):
        return
    problem = response.json()
    reason = problem["reason"]
    known = reason in ONLY_THE_SERVER_KNOWS or (reason == "bad_query" and GRAMMARS & set(case.query or ()))
    assert known, f"fits the document, yet is {reason}: {problem.get('detail')}"


@schemathesis.check
def nobody_gets_in_without_the_token(context, response, case):
    """What asks for a sign-in is refused to who has none, or whose token was tampered with: by 401, or 404.

    By 415 where the caller had a remembered answer, which spares his body another look.
    """
    if response.request.method != case.operation.method.upper():
        return
    if {} in (needs := sign_in_of(case)) or not needs:
        return
    sent = response.request.headers.get("Authorization", "")
    granted = response.status_code < 400
    assert sent or not granted, f"{response.status_code} without a token"
    key = (case.operation.label, granted)
    repeated[key] += 1
    if not sent or repeated[key] > REPEATED[granted]:
        return
    for whom, value in (("nobody", None), ("a forger", tampered(sent))):
        status = repeat(response.request, value)
        expected = {401, 404, 415} if granted else REFUSED
        assert status in expected, f"{whom} is answered {status}, the caller {response.status_code}"


def sign_in_of(case):
    """Return what the operation asks for, or what all do."""
    raw = case.operation.definition.raw
    return raw.get("security", case.operation.schema.raw_schema.get("security", []))


def tampered(sent):
    """Return the same header with a signature that nobody made."""
    return f"{sent[:-8]}{sent[-8:].swapcase()}"


def repeat(request, authorization):
    """Send the same bytes with another header, or none; return the status."""
    again = request.copy()
    del again.headers["Authorization"]
    if authorization:
        again.headers["Authorization"] = authorization
    return session.send(again, timeout=30, allow_redirects=False).status_code
