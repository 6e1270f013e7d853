"""Turns operations into requests that can be sent; the Postman collection and the `.http` file are made from them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from machine.http.route import JSON
from machine.openapi.examples import ID
from machine.openapi.naming import singular

FORM = "multipart/form-data"
# What a request may refer to as {{name}}: where the copy is, who asks, and what the journey has made.
VARIABLES = {
    "base": "http://127.0.0.1:8000", "username": "", "password": "correct horse battery staple", "token": "",
    "etag": "*", "clip": "walk.mp4", "user": ID, "channel": ID, "video": ID, "comment": ID, "hls": "",
    "status": "",
}  # fmt: skip
PART = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Call:
    """One operation, ready to be sent: in its texts stand variables as `{{name}}`."""

    name: str
    title: str
    about: str
    group: str
    method: str
    url: str
    statuses: tuple[int, ...]
    signed: bool
    headers: Mapping[str, str] = field(default_factory=dict)
    queries: tuple[Mapping[str, Any], ...] = ()
    media: str = ""
    body: Any = None


def variables_of(calls: Iterable[Call], base: str) -> dict[str, str]:
    """Return every variable that these requests name, with what it is at first."""
    named = {name for call in calls for name in re.findall(r"\{\{(\w+)\}\}", call.url)}
    return {
        **VARIABLES,
        "base": base,
        "handle": "{{username}}-films",
        **dict.fromkeys(sorted(named - set(VARIABLES) - {"handle"}), ID),
    }


def read_calls(document: Mapping[str, Any]) -> Iterator[Call]:
    """Yield every operation of a document."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield read_call(document, path, method, operation)


def read_call(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Call:
    """Return one operation as a request with example values."""
    parameters = [resolve(document, one) for one in operation["parameters"]]
    content = operation.get("requestBody", {}).get("content", {})
    media = JSON if JSON in content else next(iter(content), "")
    needed = {one["name"]: "*" for one in parameters if one["in"] == "header" and one.get("required")}
    security = operation["security"]
    return Call(
        name=operation["operationId"], title=operation["summary"], about=operation["description"],
        group=operation["tags"][0], method=method.upper(),
        url="{{base}}" + PART.sub(lambda found: "{{%s}}" % variable(path, found[1]), path),  # noqa: UP031
        statuses=tuple(int(status) for status in operation["responses"]),
        signed=bool(security) and not ({} in security and operation["tags"][0] == "auth"),
        headers={**needed, **({"Content-Type": media} if media and media != FORM else {})},
        queries=tuple(one for one in parameters if one["in"] == "query"), media=media,
        body=fill(example(document, content[JSON]["schema"])) if JSON in content else None,
    )  # fmt: skip


def variable(path: str, name: str) -> str:
    """Return the variable for a part of a path: `{id}` below `/videos` is `video`."""
    if name != "id":
        return name
    return singular(re.split(r"/\{id\}", path)[0].rsplit("/", 1)[1])


def resolve(document: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference."""
    while "$ref" in node:
        target: Any = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def example(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """Return the example of a body, the first of several forms."""
    found = resolve(document, schema)
    if "oneOf" in found and "example" not in found:
        return example(document, found["oneOf"][0])
    return found.get("example", {})


def fill(body: Any) -> Any:
    """Put variables where a body refers to what the journey has made."""
    if not isinstance(body, Mapping):
        return body
    return {
        name: "{{%s}}" % name if value == ID and name in VARIABLES else value  # noqa: UP031
        for name, value in body.items()
    }
