"""The operations of resources: lists, items and sub-resource URLs, as the policy declares them."""

from collections.abc import Mapping
from typing import Any

from machine.declare.resource import Mount, Resource
from machine.http.route import JSON
from machine.openapi.models import WHO, Models, model_name, ref
from machine.openapi.naming import a, noun, nouns, pascal, singular
from machine.openapi.parameters import item_parameters, list_parameters, query_table
from machine.openapi.parameters import ref as shared
from machine.openapi.problems import keyed, responses, sort_reasons
from machine.openapi.security import security

Operation = dict[str, Any]
WRITE = {
    400: ["bad_request", "bad_json"],
    413: ["body_too_large"],
    415: ["unsupported_media_type"],
    422: ["validation_failed"],
}


class ResourceOperations:
    """Describes the operations of one resource at its own URL, or at a sub-resource URL.

    `refused` has the reasons, by method, for which hooks of this resource alone refuse a write.
    """

    def __init__(
        self, resource: Resource, models: Models, components: dict[str, Any], mount: Mount | None = None,
        refused: Mapping[str, list[str]] | None = None,
    ) -> None:  # fmt: skip
        self.refused = refused or {}
        self.resource, self.models, self.components, self.mount = resource, models, components, mount
        self.name = model_name(resource.name)
        self.thing, self.things = noun(resource.name), nouns(resource.name)

    def of(self, kind: str, method: str, lookup: str = "") -> Operation:
        """Describe one operation. `kind`: list or item; `lookup`: the field an item is found by, if not its id."""
        makers = {
            ("list", "GET"): self.page, ("list", "POST"): self.create, ("item", "GET"): self.read,
            ("item", "PATCH"): self.change, ("item", "PUT"): self.replace, ("item", "DELETE"): self.delete,
        }  # fmt: skip
        operation = makers[kind, method]()
        if lookup:
            operation["operationId"] += f"By{pascal(lookup)}"
            operation["summary"] += f" by {lookup}"
        return operation

    def operation(
        self, method: str, identity: str, summary: str, about: list[str], **parts: Any
    ) -> Operation:
        """Put the common parts of an operation together."""
        rate = "read" if method == "GET" else self.resource.rate or "write"
        scope = f"{self.resource.name}:{'read' if method == 'GET' else 'write'}"
        people_only = self.resource.people_only
        keys = "An API key cannot do this." if people_only else f"An API key needs the scope `{scope}`."
        keys = f"{keys} Rate class: {rate}."
        return {
            "tags": [self.resource.name], "operationId": identity, "summary": summary,
            "description": "\n\n".join(part for part in (*about, who_may(self.resource, method), keys) if part),
            "security": security("anyone" if self.is_open(method) else "user", session=people_only),
            "x-rate-class": rate, **parts,
        }  # fmt: skip

    def is_open(self, method: str) -> bool:
        """Tell whether it can be done without signing in."""
        return method in self.resource.roles["anonymous"]

    def reasons(self, method: str, more: Mapping[int, list[str]]) -> dict[str, Any]:
        """Return the error responses: those of every operation, and more."""
        signed_out = [] if self.is_open(method) else ["unauthenticated"]
        reach = "session_required" if self.resource.people_only else "missing_scope"
        found = {
            400: ["bad_request"], 401: [*signed_out, "invalid_token"], 403: ["forbidden", reach],
            406: ["not_acceptable"], 429: ["rate_limited"], 503: ["unavailable"],
        }  # fmt: skip
        if self.mount:
            found[404] = ["not_found"]
        own = sort_reasons(self.refused.get(method, ()))
        return responses(add_reasons(found, more, own), self.components)

    def clashes(self) -> dict[int, list[str]]:
        """Return the reasons of a clash with another document."""
        words = [one.reason for one in self.resource.unique]
        declared = [one for one in self.resource.indexes if one.source == "mongo_indexes"]
        if not words and any(one.options.get("unique") for one in declared):
            words = ["not_unique"]
        return {409: words} if words else {}

    # Lists

    def page(self) -> Operation:
        """Describe GET on a list."""
        owned = any(query.view != "public" for query in self.resource.queries)
        identity, summary = f"list{pascal(self.resource.name)}", f"List {self.things}"
        if self.mount:
            segment, above = self.mount.segment, self.mount.parent
            identity = f"list{pascal(segment)}Of{model_name(above)}"
            summary = f"List the {nouns(segment)} of {a(noun(above))}"
        more = {400: ["bad_query", "bad_cursor", "query_not_declared"]}
        if owned:
            more[401] = ["unauthenticated"]
        return self.operation(
            "GET", identity, summary,
            [readable(self.resource), query_table(self.resource, self.mount)],
            parameters=[*list_parameters(self.resource, self.mount), *shared("If-None-Match", "X-Request-Id")],
            responses={
                "200": success("A page.", ref(f"{self.name}List"), ["ETag"]),
                "304": bare("Nothing has changed.", ["ETag"]), **self.reasons("GET", more),
            },
        )  # fmt: skip

    def create(self) -> Operation:
        """Describe POST on a list."""
        body = self.models.below(self.resource, self.mount.field) if self.mount else f"{self.name}Create"
        several = {"type": "array", "items": ref(body), "minItems": 1, "maxItems": 100}
        identity, summary = f"create{self.name}", f"Create {a(self.thing)}"
        if self.mount:
            segment, above = singular(self.mount.segment), self.mount.parent
            identity = f"create{pascal(segment)}In{model_name(above)}"
            summary = f"Create {a(segment.replace('_', ' '))} in {a(noun(above))}"
        made = {"type": "object", "required": ["_status", "_items"], "properties": {
            "_status": {"type": "string", "enum": ["OK"]}, "_items": {"type": "array", "items": ref(self.name)},
        }}  # fmt: skip
        refused = [] if self.resource.owner_via is None else ["not_owner"]
        return self.operation(
            "POST", identity, summary,
            ["Send one, or a list of up to 100: all of them are created or none."],
            parameters=shared("Prefer", "Idempotency-Key", "X-Request-Id"),
            requestBody=self.body({"oneOf": [ref(body), several]}),
            responses={
                "200": success("All is well; nothing was written.", ref("Checked"), ["Preference-Applied"]),
                "201": success("Created.", {"oneOf": [ref(self.name), made]}, ["ETag", "Location"]),
                **self.reasons("POST", add_reasons(keyed(), WRITE, {403: refused}, self.clashes())),
            },
        )  # fmt: skip

    # Items

    def read(self) -> Operation:
        """Describe GET on an item."""
        return self.operation(
            "GET", f"get{self.name}", f"Read {a(self.thing)}", [readable(self.resource)],
            parameters=[*item_parameters(self.resource), *shared("If-None-Match", "X-Request-Id")],
            responses={
                "200": success(f"The {self.thing}.", ref(self.name), ["ETag"]),
                "304": bare("Nothing has changed.", ["ETag"]),
                **self.reasons("GET", {400: ["bad_query"], 404: ["not_found"]}),
            },
        )  # fmt: skip

    def change(self) -> Operation:
        """Describe PATCH on an item."""
        return self.write("PATCH", f"update{self.name}", f"Change {a(self.thing)}",
                          "Fields that are not sent stay as they are.", f"{self.name}Update")  # fmt: skip

    def replace(self) -> Operation:
        """Describe PUT on an item."""
        about = (
            "Fields that are not sent lose their value. What is set only on creation must be sent as it is."
        )
        return self.write(
            "PUT", f"replace{self.name}", f"Replace {a(self.thing)}", about, f"{self.name}Create"
        )

    def write(self, method: str, identity: str, summary: str, about: str, body: str) -> Operation:
        """Describe PATCH or PUT."""
        answer = {"oneOf": [ref(self.name), ref("Checked")]}
        return self.operation(
            method, identity, summary, [about],
            parameters=shared("If-Match", "Prefer", "X-Request-Id"), requestBody=self.body(ref(body)),
            responses={
                "200": success(f"The {self.thing} as it is now.", answer, ["ETag", "Preference-Applied"]),
                **self.reasons(method, add_reasons(WRITE, self.guarded(), self.clashes())),
            },
        )  # fmt: skip

    def delete(self) -> Operation:
        """Describe DELETE on an item."""
        about = "It can be restored for a while." if self.resource.keep_deleted else "It is gone for good."
        return self.operation(
            "DELETE", f"delete{self.name}", f"Delete {a(self.thing)}", [about],
            parameters=shared("If-Match", "Prefer", "X-Request-Id"),
            responses={
                "200": success("All is well; nothing was deleted.", ref("Checked"), ["Preference-Applied"]),
                "204": bare("Deleted.", []), **self.reasons("DELETE", self.guarded()),
            },
        )  # fmt: skip

    def guarded(self) -> dict[int, list[str]]:
        """Return the reasons of a write to something that exists."""
        return {
            400: ["bad_etag"], 403: ["not_owner"], 404: ["not_found"], 412: ["etag_mismatch"], 428: ["etag_required"],
        }  # fmt: skip

    def body(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe a JSON body."""
        return {"required": True, "content": {JSON: {"schema": schema}}}


def add_reasons(*several: Mapping[int, list[str]]) -> dict[int, list[str]]:
    """Return all of these reasons, by status."""
    found: dict[int, list[str]] = {}
    for more in several:
        for status, words in more.items():
            found[status] = [*found.get(status, []), *words]
    return found


def success(text: str, schema: Mapping[str, Any], headers: list[str], media: str = JSON) -> dict[str, Any]:
    """Describe an answer with a body."""
    return {**bare(text, headers), "content": {media: {"schema": schema}}}


def bare(text: str, headers: list[str]) -> dict[str, Any]:
    """Describe an answer without a body."""
    names = [*headers, "X-Request-Id", "RateLimit", "RateLimit-Policy"]
    return {
        "description": text,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
    }


def who_may(resource: Resource, method: str) -> str:
    """Say who may do it."""
    roles = resource.roles
    if method in roles["anonymous"]:
        return ""
    ranks = [rank for rank in ("user", "moderator", "admin") if method in roles[rank]]
    words = [WHO[ranks[0]]] if ranks else []
    if "user" not in ranks and method != "POST":
        words = [WHO[word] for word in ("owner", "host") if method in roles[word]] + words
    return f"Who may: {', '.join(words)}." if words else "Nobody may, by this way."


def readable(resource: Resource) -> str:
    """Say in a sentence which documents of a resource can be read, by whom."""
    if resource.readable is None:
        sentence = "Private: one reads one's own." if resource.owner else "Private."
    elif not resource.readable:
        sentence = "Everyone may read all of them."
    else:
        sentence = (
            f"Everyone may read those with {in_words(resource.readable)}; their owner reads all of their own."
        )
    if resource.readable_by_link:
        sentence += f" Whoever has the link also those with {in_words(resource.readable_by_link)}."
    if resource.readable_with:
        sentence += f" Only where its {resource.readable_with.replace('_', ' ')} may be read."
    if resource.overseers:
        first = "moderators" if "moderator" in resource.overseers else "administrators"
        sentence += f" From {first} upwards, all."
    return sentence


def in_words(condition: Mapping[str, Any]) -> str:
    """Write a declared filter as people say it."""
    parts = []
    for name, value in condition.items():
        shown = " or ".join(str(one) for one in value) if isinstance(value, list | tuple) else str(value)
        parts.append(f"{name} `{shown}`")
    return " and ".join(parts)
