"""`Idempotency-Key` on every POST of a signed-in caller: the same request twice acts once and answers the same."""

import hashlib
import re

from flask import Response, request

from machine.access.caller import Caller
from machine.current import app, g
from machine.http.problem import Problem
from machine.http.route import asked_spec
from machine.write.idempotency import LARGEST_ANSWER, Reused, Running, Stored

KEY = re.compile(r"[\x21-\x7e]{1,200}")
KEPT_HEADERS = ("Content-Type", "Location", "ETag")
# Answers that say "try again" are not kept.
PASSING = {401, 408, 429}


def begin() -> Response | None:
    """Hold the key, or answer from the store. Strangers have no keys: theirs could answer somebody else."""
    key = request.headers.get("Idempotency-Key")
    if key is None or request.method != "POST":
        return None
    if not KEY.fullmatch(key):
        raise Problem(400, "bad_request", "Idempotency-Key must be 1 to 200 visible ASCII characters.")
    if not g.caller.signed_in:
        return None
    scope = (holder(g.caller), request.path, key)
    try:
        found = app().services.idempotency.begin(scope, fingerprint(), g.request_id, g.caller.id)
    except Reused as error:
        raise Problem(422, "idempotency_key_reused") from error
    except Running as error:
        raise Problem(409, "idempotency_key_in_use", headers={"Retry-After": "1"}) from error
    if isinstance(found, Stored):
        return Response(found.body, found.status, [*found.headers, ("Idempotent-Replayed", "true")])
    g.write.key = found
    return None


def holder(caller: Caller) -> str:
    """Return whose answers may be sent again: a key gets none that one with other scopes, or its owner, was given."""
    return str(caller.id) if caller.scopes is None else f"{caller.id} {' '.join(sorted(caller.scopes))}"


def fingerprint() -> str:
    """Digest what the request asks. A streamed body is not read for it: its declared size and type stand in."""
    spec = asked_spec()
    asked = hashlib.sha256(request.query_string + b"\0")
    size = request.content_length
    if (spec is not None and spec.stream) or size is None or size > app().settings.body_max_bytes:
        asked.update(f"{size} {request.mimetype} {request.headers.get('Repr-Digest', '')}".encode())
    else:
        asked.update(request.get_data(cache=True))
    return asked.hexdigest()


def end(response: Response) -> Response:
    """Keep a final answer; let the key go after one that says to try again."""
    held, g.write.key = g.write.key, None
    if held is None:
        return response
    keys = app().services.idempotency
    status = response.status_code
    if (
        status >= 500
        or status in PASSING
        or response.is_streamed
        or len(response.get_data()) > LARGEST_ANSWER
    ):
        keys.forget(held)
    else:
        headers = [(name, response.headers[name]) for name in KEPT_HEADERS if name in response.headers]
        keys.finish(held, Stored(status, headers, response.get_data()))
    return response
