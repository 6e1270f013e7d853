"""The front: reads end here, before Flask; everything else passes through untouched.

Resources are answered by the one read path: to strangers from finished pages, to people who are signed in from MongoDB.
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
from machine.edge.compress import choose_encoding
from machine.edge.pages import COUNT, Page, Pages, Recipe, private_page
from machine.edge.targets import ID, Target, Targets
from machine.eve.render import dump
from machine.http.etags import is_known
from machine.http.problem import Problem
from machine.http.request_log import ACCEPTED, bind_request, template
from machine.http.route import TAGS, RouteSpec
from settings import PREFIX

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]

# What a page says itself, of the headers of the answer it was made from.
OWN_HEADERS = {
    "etag", "cache-control", "vary", "content-type", "content-length", "x-content-type-options",
    "surrogate-control", "surrogate-key",
}  # fmt: skip


class Passed:
    """A request that is passed on whole, so that its answer fits all who ask for it."""

    def __init__(self, inner: Wsgi, environ: Environ) -> None:
        self.inner = inner
        self.environ = environ
        self.response: Response | None = None

    def make(self, tags: set[str] | None) -> tuple[bytes, str] | None:
        """Return the body of the answer if it is one to keep. The view notes the tags."""
        plain = {name: value for name, value in self.environ.items() if name != "HTTP_IF_NONE_MATCH"}
        self.response = Response.from_app(self.inner, {**plain, TAGS: tags}, buffered=True)
        return (self.response.get_data(), "") if self.response.status_code == 200 else None


class Front:
    """The WSGI layer. `app` is the Flask application whose reads it answers."""

    def __init__(self, app: Any, inner: Wsgi) -> None:
        self.app = app
        self.inner = inner
        self.pages = Pages(app.services.cache, app.settings.read_cache == "on")
        self.traced = tracing.enabled()
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
            or (self.app.settings.cors_origins and "HTTP_ORIGIN" in environ)
            or not takes_json(environ.get("HTTP_ACCEPT", "*/*"))
            or not environ["PATH_INFO"].startswith(PREFIX)
        ):
            return self.pass_on(environ, start_response)
        began = time.perf_counter()
        if "HTTP_AUTHORIZATION" in environ:
            return self.read_for_caller(environ, start_response, began)
        path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        key = f"{path}?{query}"
        page, recipe, passed = self.pages.remembered(key), None, None
        if page is None:
            recipe, passed = self.recipe(environ, path, query)
            if recipe is None:
                return self.pass_on(environ, start_response)
        if passed is not None and recipe is not None:
            page = self.pages.find(key, recipe)
            if passed.response is not None:
                return self.hand_on(page, passed.response, environ, start_response)
        verdict = self.limit(environ, None)
        if page is None and passed is None and recipe is not None and verdict.allowed:
            page = self.pages.find(key, recipe)
        if page is None or not verdict.allowed:
            return self.inner(environ, start_response)
        return self.send(page, environ, start_response, verdict, began, self.choose_id(environ))

    def pass_on(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Let the application answer what is nothing for the front."""
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            COUNT["bypassed"].inc()
        return self.inner(environ, start_response)

    def recipe(self, environ: Environ, path: str, query: str) -> tuple[Recipe | None, Passed | None]:
        """Return how the page of a URL is made, and the request if it is passed on for that; None: not here."""
        target = self.targets.find(path)
        if target is not None:
            resource = target.reader.resource
            seconds = resource.cache if self.shares else 0
            involved = self.involved((resource.name,))
            return Recipe(target.route, seconds, involved, lambda tags: self.read(target, query, tags)), None
        spec = self.kept_route(path) if self.shares and environ["REQUEST_METHOD"] == "GET" else None
        if spec is None or spec.kept is None:
            return None, None
        passed = Passed(self.inner, environ)
        return Recipe(
            template(spec.path), spec.kept.seconds, self.involved(spec.kept.of), passed.make
        ), passed

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

    def read(
        self, target: Target, query: str, tags: set[str] | None, caller: Caller = ANONYMOUS
    ) -> tuple[bytes, str] | None:
        """Read a list or an item for a caller, noting what it is built from; None where Flask is to refuse it."""
        try:
            shown = self.targets.shown(target, query, caller, tags)
        except Exception:
            # Flask answers the request again, whatever went wrong, and writes it to the log.
            return None
        return dump(shown), shown.get("_etag", "") if target.id else ""

    def read_for_caller(
        self, environ: Environ, start_response: StartResponse, began: float
    ) -> Iterable[bytes]:
        """Answer somebody who is signed in, from MongoDB: what depends on the caller is not cached."""
        target = None if self.traced else self.targets.find(environ["PATH_INFO"])
        # A hook that listens to what is fetched may ask Flask who fetches it.
        if target is None or self.app.is_watched(target.reader.resource.name):
            return self.pass_on(environ, start_response)
        COUNT["bypassed"].inc()
        request_id = self.choose_id(environ)
        bind_request(request_id)
        try:
            caller = caller_behind(self.app, environ["HTTP_AUTHORIZATION"], environ.get("REMOTE_ADDR", ""))
        except Problem as refused:
            # A false credential is counted once: Flask finds this refusal, and does not check again.
            environ[REFUSED] = refused
            return self.inner(environ, start_response)
        except Exception:
            return self.inner(environ, start_response)
        verdict = self.limit(environ, str(caller.id))
        made = self.read(target, environ.get("QUERY_STRING", ""), None, caller) if verdict.allowed else None
        if made is None:
            return self.inner(environ, start_response)
        page = private_page(*made, target.route)
        return self.send(page, environ, start_response, verdict, began, request_id, str(caller.id))

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
        self, page: Page | None, response: Response, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Send what the application has answered, as everybody gets it; it has counted and logged the request."""
        if page is None:
            return response(environ, start_response)
        own = [(name, value) for name, value in response.headers if name.lower() not in OWN_HEADERS]
        return self.start(page, environ, start_response, own)[1]

    def send(
        self,
        page: Page,
        environ: Environ,
        start_response: StartResponse,
        verdict: Verdict,
        began: float,
        request_id: str,
        user: str | None = None,
    ) -> Iterable[bytes]:
        """Send a page, count it and log it."""
        own = [("X-Request-Id", request_id), *verdict.headers().items()]
        status, body = self.start(page, environ, start_response, own)
        self.note(environ, page, status, request_id, began, user)
        return body

    def start(
        self, page: Page, environ: Environ, start_response: StartResponse, own: Headers
    ) -> tuple[int, Iterable[bytes]]:
        """Begin the answer with a page, or with 304 to who has it; return the status and what follows."""
        encoding = choose_encoding(environ.get("HTTP_ACCEPT_ENCODING", ""))
        headers = [*page.headers_of(encoding), *own]
        if self.app.settings.cors_origins:
            # Requests of a named origin are answered by Flask, with more headers: no cache may mix the two up.
            headers.append(("Vary", "Origin"))
        known = environ.get("HTTP_IF_NONE_MATCH")
        if known and is_known(known, page.etag):
            start_response("304 NOT MODIFIED", headers)
            return 304, [b""]
        body = page.body_of(encoding)
        if encoding != "identity":
            headers.append(("Content-Encoding", encoding))
        headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        return 200, [b""] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def note(
        self, environ: Environ, page: Page, status: int, request_id: str, began: float, user: str | None
    ) -> None:
        """Count and log a request as hooks/metrics.py and machine/http/request_log.py do behind the front."""
        method, path, seconds = environ["REQUEST_METHOD"], environ["PATH_INFO"], time.perf_counter() - began
        note_request(method, page.route, status, seconds)
        if self.log.wants(status):
            facts = {"method": method, "path": path, "route": page.route, "user": user}
            self.log.write(status=status, seconds=seconds, request_id=request_id, **facts)


def kept_routes(app: Any) -> dict[tuple[str | None, ...], RouteSpec]:
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
