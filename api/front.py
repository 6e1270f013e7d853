"""The front: anonymous reads end here, before Flask; everything else passes through untouched.

Resources are answered by the one read path. Routes that declare `kept` are answered by Flask, once for all who ask.
What is not a plain 200 or 304 (refusals, unknown URLs, odd headers) is Flask's to answer, so errors, logs and headers
have one source.
"""

import itertools
import re
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from bson import ObjectId
from pymongo.errors import PyMongoError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from api.compress import choose_encoding
from api.pages import COUNT, Page, Pages, Recipe
from api.places import Place
from api.reads import Reader
from api.render import dump
from api.route import TAGS, RouteSpec
from hooks.request_log import template
from policy.caller import ANONYMOUS
from policy.resource import Mount
from services.metrics import note_request
from settings import PREFIX

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]

ID = re.compile(r"[a-f0-9]{24}")
# What a page says itself, of the headers of the answer it was made from.
OWN_HEADERS = {
    "etag", "cache-control", "vary", "content-type", "content-length", "x-content-type-options",
    "surrogate-control", "surrogate-key",
}  # fmt: skip


@dataclass(slots=True)
class Target:
    """What a URL names: a list or an item of a resource."""

    reader: Reader
    id: ObjectId | None = None
    mount: Mount | None = None
    parent_id: ObjectId | None = None

    @property
    def route(self) -> str:
        """Return the template of the URL."""
        name = self.reader.resource.name
        if self.mount is not None:
            return f"{PREFIX}/{self.mount.parent}/{{{self.mount.field}}}/{self.mount.segment}"
        return f"{PREFIX}/{name}" if self.id is None else f"{PREFIX}/{name}/{{id}}"


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
        self.shares = app.settings.read_cache != "off"
        self.log = app.services.access_log
        self.mounts = {
            (mount.parent, mount.segment): (app.reads[resource.name], mount)
            for resource in app.registry
            for mount in resource.mounts
        }
        self.kept = kept_routes(app)
        self.resources: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.ids = map("{:s}{:08x}".format, itertools.repeat(uuid.uuid4().hex[:16]), itertools.count())

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer from the front if this is an anonymous read, else pass it on."""
        if (
            environ["REQUEST_METHOD"] not in ("GET", "HEAD")
            or "HTTP_AUTHORIZATION" in environ
            or (self.app.settings.cors_origins and "HTTP_ORIGIN" in environ)
            or not takes_json(environ.get("HTTP_ACCEPT", "*/*"))
            or not environ["PATH_INFO"].startswith(PREFIX)
        ):
            return self.pass_on(environ, start_response)
        began = time.perf_counter()
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
        verdict = self.app.services.limiter.hit("read", None, environ.get("REMOTE_ADDR", ""))
        if page is None and passed is None and recipe is not None and verdict.allowed:
            page = self.pages.find(key, recipe)
        if page is None or not verdict.allowed:
            return self.inner(environ, start_response)
        return self.send(page, environ, start_response, verdict, began)

    def pass_on(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Let the application answer what is nothing for the front."""
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            COUNT["bypassed"].inc()
        return self.inner(environ, start_response)

    def recipe(self, environ: Environ, path: str, query: str) -> tuple[Recipe | None, Passed | None]:
        """Return how the page of a URL is made, and the request if it is passed on for that; None: not here."""
        target = self.target(path)
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

    def target(self, path: str) -> Target | None:
        """Read a path below the prefix: a list, an item, or a list below an item."""
        match path.removeprefix(PREFIX).strip("/").split("/"):
            case [name] if name in self.app.registry:
                return Target(self.app.reads[name])
            case [name, id_] if name in self.app.registry and ID.fullmatch(id_):
                return Target(self.app.reads[name], ObjectId(id_))
            case [name, id_, segment] if (name, segment) in self.mounts and ID.fullmatch(id_):
                reader, mount = self.mounts[name, segment]
                return Target(reader, None, mount, ObjectId(id_))
        return None

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

    def read(self, target: Target, query: str, tags: set[str] | None) -> tuple[bytes, str] | None:
        """Read a list or an item as an anonymous caller, noting what it is built from."""
        try:
            args = MultiDict(parse_qsl(query, keep_blank_values=True, max_num_fields=20))
            shown = self.shown(target, args, tags)
        except (HTTPException, PyMongoError, UnicodeError, ValueError):
            # Flask answers it again, in full.
            return None
        return dump(shown), shown.get("_etag", "") if target.id else ""

    def shown(self, target: Target, args: MultiDict[str, str], tags: set[str] | None) -> dict[str, Any]:
        """Return what a stranger sees of a target."""
        reader, reads = target.reader, self.app.reads
        if target.id is not None:
            return reader.item(target.id, args, ANONYMOUS, tags)
        path = f"{PREFIX}/{reader.resource.name}"
        if target.mount is None or target.parent_id is None:
            return reader.page(Place(path), args, ANONYMOUS, tags)
        above = reads.with_parent(target.mount.parent, target.parent_id, ANONYMOUS, tags)
        path = f"{PREFIX}/{target.mount.parent}/{target.parent_id}/{target.mount.segment}"
        return reader.page(Place(path, target.mount, *above), args, ANONYMOUS, tags)

    def hand_on(
        self, page: Page | None, response: Response, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Send what the application has answered, as everybody gets it; it has counted and logged the request."""
        if page is None:
            return response(environ, start_response)
        own = [(name, value) for name, value in response.headers if name.lower() not in OWN_HEADERS]
        return self.start(page, environ, start_response, own)[1]

    def send(
        self, page: Page, environ: Environ, start_response: StartResponse, verdict: Any, began: float
    ) -> Iterable[bytes]:
        """Send a page, count it and log it."""
        given = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = (
            given
            if 8 <= len(given) <= 64 and given.replace("-", "").isalnum() and given.isascii()
            else next(self.ids)
        )
        own = [("X-Request-Id", request_id), *verdict.headers().items()]
        status, body = self.start(page, environ, start_response, own)
        self.note(environ, page, status, request_id, began)
        return body

    def start(
        self, page: Page, environ: Environ, start_response: StartResponse, own: Headers
    ) -> tuple[int, Iterable[bytes]]:
        """Begin the answer with a page, or with 304 to who has it; return the status and what follows."""
        encoding = choose_encoding(environ.get("HTTP_ACCEPT_ENCODING", ""))
        headers = [*page.headers_of(encoding), *own]
        known = environ.get("HTTP_IF_NONE_MATCH")
        if known and (page.etag in known or known.strip() == "*"):
            start_response("304 NOT MODIFIED", headers)
            return 304, [b""]
        body = page.body_of(encoding)
        if encoding != "identity":
            headers.append(("Content-Encoding", encoding))
        headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        return 200, [b""] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def note(self, environ: Environ, page: Page, status: int, request_id: str, began: float) -> None:
        """Count and log a request as hooks/metrics.py and hooks/request_log.py do behind the front."""
        method, path, seconds = environ["REQUEST_METHOD"], environ["PATH_INFO"], time.perf_counter() - began
        note_request(method, page.route, status, seconds)
        if self.log.wants(status):
            facts = {"method": method, "path": path, "route": page.route, "request_id": request_id}
            self.log.write(status=status, seconds=seconds, **facts)


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
    return "*/*" in accept or "json" in accept
