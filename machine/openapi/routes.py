"""The operations of routes and actions, from what their RouteSpec states."""

from collections.abc import Mapping
from typing import Any

from machine.declare.registry import Registry
from machine.http.route import JSON, RouteSpec
from machine.http.shape import PageOf, Shape
from machine.openapi.fields import object_of
from machine.openapi.models import Models, model_name, ref
from machine.openapi.naming import about_one, camel, noun, pascal, singular
from machine.openapi.parameters import ref as shared
from machine.openapi.problems import keyed, responses, sort_reasons
from machine.openapi.resources import WRITE, add_reasons, bare
from machine.openapi.security import security
from machine.openapi.statuses import FOREIGN

Schema = dict[str, Any]
PROBLEM = "application/problem+json"
ACCESS = {
    "anyone": "", "user": "For those signed in.", "moderator": "For moderators.", "admin": "For administrators.",
}  # fmt: skip


def identity(spec: RouteSpec, endpoint: str, taken: Mapping[str, Any]) -> str:
    """Return the operation id of a route: its view's name, or its action and what that is done to."""
    blueprint, _, view = endpoint.rpartition(".")
    if spec.action:
        resource, action = spec.action
        name = camel(f"{action}_{singular(resource)}")
    else:
        name = spec.operation or camel(view)
    return name if name not in taken else camel(f"{blueprint}_{view}")


def loose_schemas(specs: Mapping[str, RouteSpec]) -> dict[str, Mapping[str, Any]]:
    """Return every Cerberus schema of these routes by a name, for eve-swagger to compile."""
    loose: dict[str, Mapping[str, Any]] = {}
    for name, spec in specs.items():
        if spec.body:
            loose[f"body.{name}"] = spec.body
        for status in spec.answers:
            answer = spec.returned(status)
            if isinstance(answer, Mapping) and answer:
                loose[f"answer.{name}.{status}"] = answer
        for shape in shapes_of(spec):
            if loose.setdefault(f"shape.{shape.name}", shape.fields) != shape.fields:
                raise ValueError(f"{spec.method} {spec.path}: another {shape.name} is declared elsewhere.")
    return loose


def shapes_of(spec: RouteSpec) -> list[Shape]:
    """Return the shapes that a route declares by name."""
    declared = [spec.takes, *(spec.returned(status) for status in spec.answers)]
    return [one for one in declared if isinstance(one, Shape)]


def key_needs(spec: RouteSpec) -> str:
    """Say which scopes a key needs for a route."""
    deed = "read" if spec.method in ("GET", "HEAD") else "write"
    names = [*(spec.action or ())[:1], *spec.scopes]
    return f"An API key needs {' and '.join(f'`{name}:{deed}`' for name in names)}." if names else ""


class RouteOperations:
    """Describes routes and actions."""

    def __init__(
        self, registry: Registry, models: Models, compiled: Mapping[str, Schema], components: dict[str, Any]
    ) -> None:
        self.registry, self.models, self.compiled, self.components = registry, models, compiled, components

    def of(self, name: str, spec: RouteSpec) -> dict[str, Any]:
        """Describe one route."""
        session = "session_required" in spec.reasons
        access = self.access(spec)
        rate = spec.rate or ("read" if spec.method == "GET" else "write")
        operation: dict[str, Any] = {
            "tags": [spec.tag], "operationId": name, "summary": self.summary(spec),
            "description": self.describe(spec, rate, session),
            "security": security(access, session=session, identify=spec.identify),
            "x-rate-class": rate, "parameters": self.parameters(spec),
        }  # fmt: skip
        body = self.body(name, spec)
        if body:
            operation["requestBody"] = body
        operation["responses"] = {**self.answers(name, spec), **self.errors(name, spec, access)}
        return operation

    def summary(self, spec: RouteSpec) -> str:
        """Return what it does in a few words; an action's are the title of its link."""
        return about_one(spec.summary, noun(spec.action[0])) if spec.action else spec.summary

    def access(self, spec: RouteSpec) -> str:
        """Return the lowest rank that may call it."""
        if spec.action is None:
            return spec.access
        return "anyone" if "anyone" in self.registry[spec.action[0]].actions[spec.action[1]].who else "user"

    def describe(self, spec: RouteSpec, rate: str, session: bool) -> str:
        """Say what it does, for whom, and when."""
        parts = [spec.description, ACCESS.get(spec.access, "")]
        if spec.action:
            resource, name = spec.action
            action = self.registry[resource].actions[name]
            parts.append(
                f"Who may: {', '.join(sorted(action.who))}. It is linked from `_links` when it is legal."
            )
        if spec.also:
            parts.append(f"The JSON may also come as {' or '.join(spec.also)}.")
        parts.append("An API key cannot do this." if session else key_needs(spec))
        parts.append(f"Rate class: {rate}.")
        return "\n\n".join(part for part in parts if part)

    def parameters(self, spec: RouteSpec) -> list[dict[str, Any]]:
        """Return its parameters: declared, and those that go with its method."""
        names = ["Idempotency-Key"] if takes_key(spec) else []
        if "etag_required" in spec.reasons:
            names.append("If-Match")
        return [*(dict(one) for one in spec.parameters), *shared(*names, "X-Request-Id")]

    def body(self, name: str, spec: RouteSpec) -> dict[str, Any] | None:
        """Describe the body: JSON by its schema, a form with a file, or bytes."""
        if spec.takes:
            taken = spec.takes
            schema = (
                self.shaped(taken, writing=True)
                if isinstance(taken, Shape)
                else ref(model_name(taken) + "Update")
            )
            return {"required": True, "content": {JSON: {"schema": schema}}}
        if spec.stream and spec.method not in ("GET", "DELETE"):
            return streamed(spec.accepts or "multipart/form-data")
        if not spec.body:
            return None
        made = self.finished(f"body.{name}", spec.body, writing=True)
        return {
            "required": not spec.body_optional,
            "content": {JSON: {"schema": self.named(f"{pascal(name)}Body", made)}},
        }

    def shaped(self, shape: Shape, *, writing: bool) -> Schema:
        """Refer to a shape that a route declares by name."""
        return self.named(shape.name, self.finished(f"shape.{shape.name}", shape.fields, writing=writing))

    def named(self, name: str, schema: Schema) -> Schema:
        """Keep a schema as a component, and refer to it."""
        self.models.schemas[name] = schema
        return ref(name)

    def finished(self, key: str, declared: Mapping[str, Any], *, writing: bool) -> Schema:
        """Return the schema of a body or an answer."""
        produced = self.compiled.get(key, {}).get("properties", {})
        made: Schema = {"type": "object", **object_of(declared, produced, writing=writing)}
        if "_links" in made["properties"]:
            made["properties"]["_links"] = ref("Links")
        if writing:
            made["additionalProperties"] = False
        return made

    def answers(self, name: str, spec: RouteSpec) -> dict[str, Any]:
        """Describe what it answers when all is well; a status that fails is here only with a body of its own."""
        made = {}
        for status, text in spec.answers.items():
            schema = self.answer(name, spec, status)
            if status >= 400 and schema is None:
                continue
            etag = ["ETag"] if "etag_required" in spec.reasons else []
            headers = {200: etag, 201: ["Location"], 302: ["Location"]}.get(status, [])
            media = spec.content or JSON
            if status in (204, 304) or 300 <= status < 400 or spec.method == "HEAD":
                made[str(status)] = bare(text, headers)
            else:
                made[str(status)] = full(status, text, headers, schema, media.split(", "))
        return made

    def answer(self, name: str, spec: RouteSpec, status: int) -> Schema | None:
        """Return the schema of what goes with a status, None where nothing says."""
        answer = spec.returned(status)
        if isinstance(answer, Shape):
            return self.shaped(answer, writing=False)
        if isinstance(answer, PageOf):
            return ref(f"{model_name(answer.resource)}List")
        if isinstance(answer, str):
            return ref(model_name(answer) if answer in self.registry else answer)
        if answer:
            made = self.finished(f"answer.{name}.{status}", answer, writing=False)
            return self.named(f"{pascal(name)}Answer" + (str(status) if len(spec.answers) > 1 else ""), made)
        return None

    def errors(self, name: str, spec: RouteSpec, access: str) -> dict[str, Any]:
        """Describe what it answers when it refuses."""
        parts: list[Mapping[int, list[str]]] = [{429: ["rate_limited"], 503: ["unavailable"]}]
        if spec.method != "GET":
            parts.append({400: ["bad_request"]})
        if "<" in spec.path:
            # What does not fit the pattern of the URL reaches no view: the caller is identified all the same.
            parts.append({404: ["not_found"], 401: ["invalid_token"]})
        if spec.identify:
            parts.append({401: [*([] if access == "anyone" else ["unauthenticated"]), "invalid_token"]})
        if access in ("moderator", "admin"):
            parts.append({403: ["forbidden"]})
        if access != "anyone" and "session_required" not in spec.reasons:
            parts.append({403: ["missing_scope"]})
        if spec.body or spec.takes:
            parts.append(WRITE)
        if takes_key(spec):
            parts.append(keyed())
        if spec.action:
            parts.append({403: ["missing_scope", "not_owner" if "owner" in spec.access else "forbidden"]})
        parts.append(sort_reasons(spec.reasons, access))
        if access == "anyone" and "invalid_token" in spec.reasons:
            parts.append({400: ["invalid_token"]})
        own = {
            status for status in spec.answers if status >= 400 and self.answer(name, spec, status) is not None
        }
        found = {status: words for status, words in add_reasons(*parts).items() if status not in own}
        return responses(found, self.components, {s: t for s, t in spec.answers.items() if s >= 400})


def full(
    status: int, text: str, headers: list[str], schema: Schema | None, media: list[str]
) -> dict[str, Any]:
    """Describe an answer with a body; a Problem of a foreign status says its reasons as any other."""
    if schema == ref("Problem"):
        more = {"content": {PROBLEM: {"schema": schema}}, "x-reasons": list(FOREIGN[status])}
    else:
        more = {"content": {
            one: {"schema": schema if schema and one == JSON else whatever(one)} for one in media
        }}  # fmt: skip
    return {**bare(text, headers), **more}


def takes_key(spec: RouteSpec) -> bool:
    """Tell whether an Idempotency-Key means something here."""
    return spec.method == "POST" and not spec.stream and spec.identify


def streamed(media: str) -> dict[str, Any]:
    """Describe a body that the view reads itself: a form with the field `file`, JSON, or bytes."""
    content: dict[str, Any] = {}
    for one in media.split(", "):
        schema: Schema = {"type": "string", "format": "binary", "description": "The bytes."}
        if one == JSON:
            schema = {"type": "object"}
        elif one == "multipart/form-data":
            file = {**schema, "description": "The file."}
            schema = {"type": "object", "properties": {"file": file}, "required": ["file"]}
        content[one] = {"schema": schema}
    return {"required": True, "content": content}


def whatever(media: str) -> Schema:
    """Return the schema of an answer that nobody has described."""
    if media in (JSON, "application/yaml") or media.endswith("+json"):
        return {"type": "object"}
    return {"type": "string"} if media.startswith("text/") else {"type": "string", "format": "binary"}
