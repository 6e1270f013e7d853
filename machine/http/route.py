"""Declares the endpoints that are no resource: one decorator states who may, what comes in, and what goes out."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from bson import ObjectId
from flask import Blueprint, Response, request
from werkzeug.routing import BaseConverter

from machine.access.rights import as_writer, refusal, require_action, standing, words_of
from machine.current import Application, app, g
from machine.declare.registry import Registry
from machine.eve.render import dump
from machine.http.body import BodyValidator, read_json
from machine.http.problem import Problem
from machine.http.shape import TEXT, PageOf, Shape
from settings import PREFIX

View = Callable[..., Any]
# Where the view of a kept answer finds the set of tags, in the WSGI environment.
TAGS = "marquee.tags"
JSON = "application/json"
# The body of every refusal, as the OpenAPI document names it.
PROBLEM = "Problem"
# What `send_on` answers to scripts.
ELSEWHERE = Shape("Elsewhere", {"url": TEXT})


@dataclass(frozen=True)
class Kept:
    """How answers to strangers are kept: for `seconds` at most, while the resources they are made `of` allow."""

    seconds: float
    of: tuple[str, ...]


@dataclass(frozen=True)
class RouteSpec:
    """What is declared of one endpoint; the OpenAPI document and the policy test read it too."""

    method: str
    path: str
    access: str
    summary: str
    tag: str
    description: str = ""
    rate: str | None = None
    body: Mapping[str, Any] | None = None
    body_optional: bool = False
    # The media types under which `body` comes beside JSON's own. What a page of another origin can send unasked
    # (text/plain) is only for routes that do nothing in the name of the caller: a browser adds no Authorization.
    also: tuple[str, ...] = ()
    answers: Mapping[int, str] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    stream: bool = False
    identify: bool = True
    # The setting without which it is not there: the entry point links to it only when that is set.
    needs: str = ""
    action: tuple[str, str] | None = None
    # Whether and how what strangers get is shared. Its view notes what the answer is built from in `noted_tags`.
    kept: Kept | None = None
    # The resources whose scopes an API key needs here, beside that of an action. None: for people only, on a route
    # that is not for anyone.
    scope: str | tuple[str, ...] | None = None
    parameters: tuple[Mapping[str, Any], ...] = ()
    # For the OpenAPI document. `returns`: the name of a resource, a PageOf, a Shape or a Cerberus schema ({}: any
    # object), or these by status; `takes`: a body that the view reads itself, a Shape or the resource it changes;
    # `content`: the media type of the answer; `accepts`: that of a streamed body (a form with `file` if not said);
    # `operation`: the operation's id, where the name of the view says little outside its file.
    returns: Any = None
    takes: Any = None
    content: str = ""
    accepts: str = ""
    operation: str = ""

    def __post_init__(self) -> None:
        """Refuse to answer JSON that nothing describes, and to share what depends on more than the URL."""
        undescribed = [one for one in self.answers if one < 300 and one != 204 and self.returned(one) is None]
        if undescribed and self.method != "HEAD" and JSON in (self.content or JSON):
            raise ValueError(f"{self.method} {self.path} answers JSON: say in `returns` of which shape.")
        if self.kept and (self.method, self.rate, self.body, self.stream) != ("GET", None, None, False):
            # The front counts it as a plain read, and shares its answer by URL alone: neither would be right.
            raise ValueError(f"{self.method} {self.path} cannot be kept: only a plain read can.")
        if self.kept and self.action is None and self.access != "anyone":
            raise ValueError(f"{self.path} cannot be kept: strangers may not read it.")

    @property
    def scopes(self) -> tuple[str, ...]:
        """Return the resources whose scopes a key needs here."""
        return (self.scope,) if isinstance(self.scope, str) else self.scope or ()

    def returned(self, status: int) -> Any:
        """Return what goes with a status; what is not said by status goes with each that is no refusal."""
        if (
            self.returns
            and isinstance(self.returns, Mapping)
            and all(isinstance(key, int) for key in self.returns)
        ):
            return self.returns.get(status)
        return self.returns if status < 400 else None


class Endpoint:
    """What Flask calls at a route: its view behind the checks, with what is declared of it as `spec`."""

    def __init__(self, spec: RouteSpec, view: View, answer: Callable[..., Response]) -> None:
        functools.update_wrapper(self, view)
        self.spec = spec
        self.answer = answer

    def __call__(self, **arguments: Any) -> Response:
        """Answer a request; `arguments` are what its URL says."""
        return self.answer(**arguments)


class ObjectIdConverter(BaseConverter):
    """Matches 24 hex digits in a URL and hands an ObjectId to the view."""

    regex = "[a-f0-9]{24}"
    part_isolating = True

    def to_python(self, value: str) -> ObjectId:
        """Return the id."""
        return ObjectId(value)

    def to_url(self, value: Any) -> str:
        """Return the hex digits."""
        return str(value)


def route(
    blueprint: Blueprint, method: str, path: str, *, access: str, summary: str, tag: str, root: bool = False,
    **facts: Any,
) -> Callable[[View], View]:  # fmt: skip
    """Register a view under the API prefix (`root`: under / itself). See RouteSpec for the facts."""
    url = path if root else PREFIX + path
    facts["reasons"] = tuple(facts.get("reasons", ()))
    spec = RouteSpec(method, url, access, summary, tag, **facts)

    def declare(view: View) -> View:
        def answer(**arguments: Any) -> Response:
            require_access(spec.access)
            if spec.body is not None:
                arguments["body"] = read_body(spec)
            return respond(view(**arguments))

        blueprint.record(lambda state: require_known(cast(Application, state.app).registry, spec))
        blueprint.add_url_rule(url, view.__name__, Endpoint(spec, view, answer), methods=[method])
        return view

    return declare


def action(
    blueprint: Blueprint,
    resource: str,
    name: str,
    *,
    tag: str = "",
    body: Any = None,
    **facts: Any,
) -> Callable[[View], View]:
    """Register the view of an action that `schemas/` declares, with its title. The view gets the document, checked."""
    facts["reasons"] = (*facts.get("reasons", ()), "not_found", "illegal_state")

    def declare(view: View) -> View:
        blueprint.record(
            lambda state: add_action(state.app, blueprint, resource, name, view, body, tag, facts)
        )
        return view

    return declare


def add_action(
    to: Any, blueprint: Blueprint, resource: str, name: str, view: View, body: Any, tag: str,
    facts: dict[str, Any],
) -> None:  # fmt: skip
    """Add the URL rule of an action once its declaration is known."""
    declared = to.registry[resource].actions[name]
    path = f"{PREFIX}/{resource}/<objectid:id_>/{declared.path}"
    spec = RouteSpec(
        declared.method, path, " or ".join(sorted(declared.who)), declared.title, tag or resource,
        body=body, action=(resource, name), **facts,
    )  # fmt: skip

    def answer(id_: ObjectId) -> Response:
        document = load_for_action(resource, name, id_)
        arguments: dict[str, Any] = {"doc": document}
        if spec.body is not None:
            arguments["body"] = read_body(spec)
        return respond(view(**arguments))

    require_known(to.registry, spec)
    endpoint = Endpoint(spec, view, answer)
    to.add_url_rule(path, f"{blueprint.name}.{view.__name__}", endpoint, methods=[spec.method])


def load_for_action(resource: str, name: str, id_: ObjectId) -> dict[str, Any]:
    """Return the document an action is about; 404 unless readable, 401/403 unless allowed, 409 unless legal."""
    compiled, reads = app().registry[resource], app().reads
    declared = compiled.actions[name]
    caller = as_writer(compiled, declared.method, g.caller)
    if declared.on_deleted:
        document = app().store.get(resource, id_)
        words = standing(compiled, document or {}, caller)
        if document is None or not declared.who & words:
            raise Problem(404, "not_found") if g.caller.signed_in else refusal(g.caller)
        parent = None
    else:
        document, parent = reads.with_parent(resource, id_, caller)
    words = reads.words(compiled, document, caller, parent)
    require_action(compiled, declared, document, g.caller, words)
    g.write.words = words
    found: dict[str, Any] = document
    return found


def require_known(registry: Registry, spec: RouteSpec) -> None:
    """Refuse to start with a route that names a resource which is not there."""
    for declared in (spec.takes, *spec.scopes, *(spec.returned(status) for status in spec.answers)):
        name = declared.resource if isinstance(declared, PageOf) else declared
        if isinstance(name, str) and name != PROBLEM and name not in registry:
            raise ValueError(f"{spec.method} {spec.path}: there is no resource {name!r}.")


def asked_spec() -> RouteSpec | None:
    """Return what is declared of the route that is asked for; None at a resource, and where there is nothing."""
    view = app().view_functions.get(request.endpoint or "")
    return view.spec if isinstance(view, Endpoint) else None


def noted_tags() -> set[str] | None:
    """Return the set in which the view of a kept answer notes what it is built from; None where nothing is kept."""
    tags: set[str] | None = request.environ.get(TAGS)
    return tags


def require_access(access: str) -> None:
    """Refuse callers below the declared rank."""
    if access not in words_of(g.caller):
        raise refusal(g.caller)


def read_body(spec: RouteSpec) -> dict[str, Any]:
    """Read the body that a route declares; none where it is optional and left out."""
    if spec.body_optional and not request.content_length and "Transfer-Encoding" not in request.headers:
        return {}
    return read_object(spec.body or {}, spec.also)


def read_object(fields: Mapping[str, Any], also: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read a JSON object and hold it against the Cerberus rules of its fields; 422 names every wrong one."""
    parsed = read_json(request, app().settings.body_max_bytes, also)
    if not isinstance(parsed, dict):
        raise Problem(400, "bad_request", "Send a JSON object.")
    validator = BodyValidator(dict(fields), reserved_names=app().settings.reserved_names)
    if not validator.validate(parsed):
        raise Problem(422, "validation_failed", issues=validator.errors)
    body: dict[str, Any] = validator.document
    return body


def respond(answer: Any) -> Response:
    """Turn what a view returns into a response: a Response, a dict, (dict, status) or (dict, status, headers)."""
    if isinstance(answer, Response):
        return answer
    content, status, headers = (
        (*answer, *(200, {})[len(answer) - 1 :]) if isinstance(answer, tuple) else (answer, 200, {})
    )
    if content is None:
        return Response(status=204 if status == 200 else status, headers=headers)
    response = Response(dump(content), status, headers, mimetype=JSON)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def send_on(url: str) -> Response:
    """Redirect; tell the URL in JSON to who prefers that: a script cannot read the Location of another origin."""
    asked = request.accept_mimetypes
    if asked.quality(JSON) > asked.quality("text/html"):
        answer = respond({"url": url})
    else:
        answer = Response(status=302, headers={"Location": url})
    answer.headers["Vary"] = "Accept"
    return answer
