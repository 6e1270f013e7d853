"""The front: reads end here, before Flask; everything else passes through untouched.

Resources are answered by the one read path: to strangers from finished answers, to whoever is signed in from MongoDB.
Routes that declare `kept` are answered by Flask, once for all strangers who ask.
What is not a plain 200 or 304 (refusals, unknown URLs, odd headers) is Flask's to answer, so errors, logs and headers
have one source.
"""

import itertools
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.wrappers import Response

from clients import tracing
from clients.metrics import note_request
from machine.access.caller import ANONYMOUS, Caller
from machine.access.identify import REFUSED, caller_behind
from machine.access.rate import VERDICT
from machine.access.rates import Verdict
from machine.edge.cache import Entry
from machine.edge.compress import choose_encoding
from machine.edge.finished_answers import COUNT, Finished, FinishedAnswers, Sharing
from machine.edge.targets import ID, Target, Targets
from machine.eve.app import Marquee
from machine.http.etags import is_known
from machine.http.json_text import dump
from machine.http.problem import Problem
from machine.http.request_log import ACCEPTED, bind_request, template
from machine.http.route import TAGS, RouteSpec
from machine.read.answer import JSON, Headers, build_answer
from settings import PREFIX

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]

LONGEST_KEY = 2048
# What an answer of ours says itself, of the headers of Flask's answer that it was made from.
OWN_HEADERS = {
    "etag", "cache-control", "vary", "content-type", "content-length", "x-content-type-options",
    "surrogate-control", "surrogate-key",
}  # fmt: skip


class Front:
    """The WSGI layer. `app` is the Flask application whose reads it answers."""

    def __init__(self, app: Marquee, inner: Wsgi) -> None:
        self.app = app
        self.inner = inner
        self.finished_answers = FinishedAnswers(app.services.cache, app.settings.read_cache == "on")
        self.traced = tracing.enabled()
        self.origins = app.settings.cors_origins
        self.shares = app.settings.read_cache != "off"
        self.log = app.services.access_log
        self.targets = Targets(app)
        self.kept = kept_routes(app)
        self.resources: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.ids = map("{:s}{:08x}".format, itertools.repeat(uuid.uuid4().hex[:16]), itertools.count())

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer from the front if this is a read that it knows, else pass it on."""
        if (
            environ["REQUEST_METHOD"] not in ("GET", "HEAD")
            or (self.origins and "HTTP_ORIGIN" in environ)
            or not takes_json(environ.get("HTTP_ACCEPT", "*/*"))
            or not environ["PATH_INFO"].startswith(PREFIX)
        ):
            return self.pass_on(environ, start_response)
        began = time.perf_counter()
        if "HTTP_AUTHORIZATION" in environ:
            return self.read_for_caller(environ, start_response, began)
        return self.read_for_stranger(environ, start_response, began)

    def pass_on(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Let the application answer what is nothing for the front."""
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            COUNT["bypassed"].inc()
        return self.inner(environ, start_response)

    def read_for_stranger(
        self, environ: Environ, start_response: StartResponse, began: float
    ) -> Iterable[bytes]:
        """Answer a URL: from memory, else from Redis, else made now, for all who want it at this moment."""
        path = environ["PATH_INFO"]
        key = f"{path}?{environ.get('QUERY_STRING', '')}"
        finished, target = self.finished_answers.remembered(key), None
        if finished is not None:
            sharing = finished.sharing
        else:
            target = self.targets.find(path)
            asked = self.sharing_of(target, environ) if len(key) <= LONGEST_KEY else None
            if asked is None:
                return self.pass_on(environ, start_response)
            sharing = asked
        verdict = self.limit(environ, None)
        if not verdict.allowed:
            return self.inner(environ, start_response)
        response = None
        if finished is None:
            finished, held = self.finished_answers.current(key, sharing)
            if finished is None:
                finished, response = self.make(key, sharing, held, target, environ)
        if response is not None:
            return self.hand_on(finished, response, environ, start_response)
        if finished is None:
            return self.inner(environ, start_response)
        return self.send(finished, environ, start_response, verdict, began, self.choose_id(environ))

    def make(
        self, key: str, sharing: Sharing, held: Entry | None, target: Target | None, environ: Environ
    ) -> tuple[Finished | None, Response | None]:
        """Make the answer that is not there, in one's turn; None where there is to be none, and Flask refuses.

        Without a target it is a route, and Flask makes it: its answer to this request comes beside what is kept.
        """
        with self.finished_answers.turn(key, sharing, held) as turn:
            if turn.finished is not None:
                return turn.finished, None
            if target is None:
                response = self.ask_application(environ, turn.tags)
                return (turn.finish(response.get_data()) if response.status_code == 200 else None), response
            made = self.read(target, environ.get("QUERY_STRING", ""), ANONYMOUS, turn.tags)
            return (turn.finish(*made) if made is not None else None), None

    def ask_application(self, environ: Environ, tags: set[str] | None) -> Response:
        """Return the application's answer, whole, so that it fits all who ask for it. The view notes the tags."""
        plain = {name: value for name, value in environ.items() if name != "HTTP_IF_NONE_MATCH"}
        return Response.from_app(self.inner, {**plain, TAGS: tags}, buffered=True)

    def sharing_of(self, target: Target | None, environ: Environ) -> Sharing | None:
        """Return how the answer of a URL is shared; None where the application is to answer."""
        if target is not None:
            resource = target.reader.resource
            seconds = resource.cache if self.shares else 0
            return Sharing(target.route, seconds, self.involved((resource.name,)))
        if not self.shares or environ["REQUEST_METHOD"] != "GET":
            return None
        spec = self.kept_route(environ["PATH_INFO"])
        if spec is None or spec.kept is None:
            return None
        return Sharing(template(spec.path), spec.kept.seconds, self.involved(spec.kept.of))

    def kept_route(self, path: str) -> RouteSpec | None:
        """Return the route of a path whose answers to strangers are kept."""
        segments = tuple(path.split("/"))
        found = self.kept.get(segments)
        return found or self.kept.get(tuple(None if ID.fullmatch(one) else one for one in segments))

    def involved(self, of: tuple[str, ...]) -> tuple[str, ...]:
        """Return every resource that an answer of these resources may be built from."""
        known = self.resources.get(of)
        if known is None:
            names, ahead = set(), [self.app.registry[name] for name in of]
            while ahead:
                resource = ahead.pop()
                names.add(resource.name)
                fields = {*resource.embeds, *(mount.field for mount in resource.mounts)} | {
                    resource.readable_with
                }
                targets = {resource.references[field] for field in fields if field}
                ahead += [self.app.registry[name] for name in targets - names]
            known = self.resources[of] = tuple(sorted(names))
        return known

    def read_for_caller(
        self, environ: Environ, start_response: StartResponse, began: float
    ) -> Iterable[bytes]:
        """Answer somebody who is signed in, from MongoDB: what depends on the caller is not cached."""
        target = None if self.traced else self.targets.find(environ["PATH_INFO"])
        if target is None:
            return self.pass_on(environ, start_response)
        COUNT["bypassed"].inc()
        request_id = self.choose_id(environ)
        bind_request(request_id)
        try:
            caller = caller_behind(
                self.app.services, environ["HTTP_AUTHORIZATION"], environ.get("REMOTE_ADDR", "")
            )
        except Problem as refused:
            # A false credential is counted once: Flask finds this refusal, and does not check again.
            environ[REFUSED] = refused
            return self.inner(environ, start_response)
        except Exception:
            return self.inner(environ, start_response)
        user = str(caller.id)
        verdict = self.limit(environ, user)
        made = self.read(target, environ.get("QUERY_STRING", ""), caller) if verdict.allowed else None
        if made is None:
            return self.inner(environ, start_response)
        finished = Finished(build_answer(*made, private=True), Sharing(target.route))
        return self.send(finished, environ, start_response, verdict, began, request_id, user)

    def read(
        self, target: Target, query: str, caller: Caller, tags: set[str] | None = None
    ) -> tuple[bytes, str] | None:
        """Read a list or an item for a caller, noting what it is built from; None where Flask is to refuse it.

        Return the body, and the stored ETag of an item.
        """
        try:
            shown = self.targets.shown(target, query, caller, tags)
        except Exception:
            # Flask answers the request again, whatever went wrong, and writes it to the log.
            return None
        return dump(shown), shown.get("_etag", "") if target.id else ""

    def limit(self, environ: Environ, caller_id: str | None) -> Verdict:
        """Count a read; where the application answers it after all, it is not counted again."""
        address = environ.get("REMOTE_ADDR", "")
        verdict: Verdict = self.app.services.limiter.hit("read", caller_id, address)
        environ[VERDICT] = verdict
        return verdict

    def choose_id(self, environ: Environ) -> str:
        """Return the client's request id if it is well formed, else a new one."""
        given = environ.get("HTTP_X_REQUEST_ID")
        return given if given and ACCEPTED.fullmatch(given) else next(self.ids)

    def hand_on(
        self, finished: Finished | None, response: Response, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Send what the application has answered, as everybody gets it; it has counted and logged the request."""
        if finished is None:
            return response(environ, start_response)
        own = [(name, value) for name, value in response.headers if name.lower() not in OWN_HEADERS]
        return self.start(finished, environ, start_response, own)[1]

    def send(
        self,
        finished: Finished,
        environ: Environ,
        start_response: StartResponse,
        verdict: Verdict,
        began: float,
        request_id: str,
        user: str | None = None,
    ) -> Iterable[bytes]:
        """Send an answer, count it and log it."""
        own = [("X-Request-Id", request_id), *verdict.headers().items()]
        status, body = self.start(finished, environ, start_response, own)
        self.note(environ, finished.sharing.route, status, request_id, began, user)
        return body

    def start(
        self, finished: Finished, environ: Environ, start_response: StartResponse, own: Headers
    ) -> tuple[int, Iterable[bytes]]:
        """Begin to send an answer, or 304 to who has it; return the status and what follows."""
        encoding = choose_encoding(environ.get("HTTP_ACCEPT_ENCODING", ""))
        headers = [*finished.headers_of(encoding), *own]
        if self.origins:
            # Requests of a named origin are answered by Flask, with more headers: no cache may mix the two up.
            headers.append(("Vary", "Origin"))
        known = environ.get("HTTP_IF_NONE_MATCH")
        if known and is_known(known, finished.answer.etag):
            start_response("304 NOT MODIFIED", headers)
            return 304, [b""]
        body = finished.body_of(encoding)
        if encoding != "identity":
            headers.append(("Content-Encoding", encoding))
        headers += [("Content-Type", JSON), ("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        return 200, [b""] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def note(
        self, environ: Environ, route: str, status: int, request_id: str, began: float, user: str | None
    ) -> None:
        """Count and log a request as hooks/metrics.py and machine/http/request_log.py do behind the front."""
        method, path, seconds = environ["REQUEST_METHOD"], environ["PATH_INFO"], time.perf_counter() - began
        note_request(method, route, status, seconds)
        if self.log.wants(status):
            facts = {"method": method, "path": path, "route": route, "user": user}
            self.log.write(status=status, seconds=seconds, request_id=request_id, **facts)


def kept_routes(app: Marquee) -> dict[tuple[str | None, ...], RouteSpec]:
    """Return the routes whose answers to strangers are kept, by the segments of their path; None is an id."""
    specs = (getattr(view, "spec", None) for view in app.view_functions.values())
    return {
        tuple(None if "<" in segment else segment for segment in spec.path.split("/")): spec
        for spec in specs
        if spec is not None and spec.kept is not None
    }


def takes_json(accept: str) -> bool:
    """Tell whether a client clearly takes JSON; where it may not, the application decides."""
    return ("*/*" in accept or "json" in accept) and "q=0" not in accept
