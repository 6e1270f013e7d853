"""The document as one page to read: plain HTML, no script, made from the same data as everything else."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from machine.openapi.html_frame import frame_page

Node = Mapping[str, Any]


class ReadingView:
    """Renders a compiled document."""

    def __init__(self, document: Node) -> None:
        from markdown_it import MarkdownIt

        self.document = document
        self.markdown = MarkdownIt("commonmark", {"html": False}).enable("table")

    def resolve(self, node: Node) -> Node:
        """Follow a reference."""
        while "$ref" in node:
            target: Any = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        return node

    def render(self) -> str:
        """Return the body of the page."""
        groups: dict[str, list[tuple[str, str, Node]]] = {tag["name"]: [] for tag in self.document["tags"]}
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                groups[operation["tags"][0]].append((path, method.upper(), operation))
        about = {tag["name"]: tag["description"] for tag in self.document["tags"]}
        sections = "".join(self.section(name, about[name], found) for name, found in groups.items())
        info = self.document["info"]
        head = f'<h1 id="top">{escape(info["title"])}</h1>{self.prose(info["description"])}'
        side = f'<nav class="side">{self.contents(groups)}</nav>'
        return f'{side}<main class="read">{head}{sections}{self.models()}</main>'

    def contents(self, groups: Mapping[str, list[tuple[str, str, Node]]]) -> str:
        """Return the list of groups and operations."""
        parts = ['<a href="/docs">Try it out</a>']
        for name, found in groups.items():
            links = "".join(
                f'<li><a href="#{one["operationId"]}">{escape(one["summary"])}</a></li>'
                for _, _, one in found
            )
            parts.append(
                f'<details><summary><a href="#group-{name}">{escape(title(name))}</a></summary>'
                f"<ul>{links}</ul></details>"
            )
        return "".join([*parts, '<a href="#models">Models</a>'])

    def section(self, name: str, about: str, found: list[tuple[str, str, Node]]) -> str:
        """Return one group."""
        entries = "".join(self.operation(*one) for one in found)
        return (
            f'<section id="group-{name}"><h2>{escape(title(name))}</h2>{self.prose(about)}{entries}</section>'
        )

    def operation(self, path: str, method: str, operation: Node) -> str:
        """Return one operation."""
        access = "Anyone" if not operation["security"] or {} in operation["security"] else "Signed in"
        parts = [
            f'<article id="{operation["operationId"]}"><h3>{escape(operation["summary"])}</h3>',
            f'<p class="url"><b>{method}</b> {code(path)} <span>{access}</span></p>',
            self.prose(operation["description"]),
            self.table("Parameters", self.parameters(operation)),
        ]
        for media, content in self.resolve(operation.get("requestBody", {"content": {}}))["content"].items():
            parts.append(self.table(f"Body: {media}", self.fields(content["schema"])))
        parts.append(self.table("Answers", self.answers(operation)))
        return "".join([*parts, "</article>"])

    def parameters(self, operation: Node) -> Iterator[tuple[str, str, str]]:
        """Yield name, kind and description of the parameters."""
        for one in map(self.resolve, operation["parameters"]):
            need = ", required" if one.get("required") else ""
            yield (
                code(one["name"]),
                f"{one['in']}{need}",
                self.prose(one.get("description", "")),
            )

    def answers(self, operation: Node) -> Iterator[tuple[str, str, str]]:
        """Yield status, what comes with it, and its description."""
        for status, one in operation["responses"].items():
            found = self.resolve(one)
            kinds = "".join(
                f"<div>{self.kind(content['schema'])}</div>" for content in found.get("content", {}).values()
            )
            yield code(status), kinds, self.prose(found["description"])

    def fields(self, schema: Node) -> Iterator[tuple[str, str, str]]:
        """Yield name, type and description of the fields of a body or a model."""
        found = self.resolve(schema)
        if "oneOf" in found:
            found = self.resolve(found["oneOf"][0])
        for name, one in found.get("properties", {}).items():
            need = ", required" if name in found.get("required", []) else ""
            yield code(name), self.kind(one) + need, self.prose(one.get("description", ""))

    def kind(self, schema: Node) -> str:
        """Say what a value is; models are linked."""
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            return f'<a href="#model-{name}">{name}</a>'
        if "oneOf" in schema or "allOf" in schema:
            return " or ".join(self.kind(one) for one in schema.get("oneOf") or schema["allOf"])
        if schema.get("type") == "array":
            return f"list of {self.kind(schema.get('items', {}))}"
        if "enum" in schema:
            return " | ".join(code(json.dumps(one)) for one in schema["enum"])
        return escape(schema.get("format") or schema.get("type", "anything"))

    def models(self) -> str:
        """Return all models with an example each."""
        parts = ['<section id="models"><h2>Models</h2>']
        for name, schema in sorted(self.document["components"]["schemas"].items()):
            example = escape(json.dumps(schema.get("example"), indent=2, ensure_ascii=False))
            parts.append(
                f'<article id="model-{name}"><h3>{name}</h3>{self.prose(schema.get("description", ""))}'
                f"{self.table('Fields', self.fields(schema))}"
                f"<details><summary>Example</summary><pre>{example}</pre></details></article>"
            )
        return "".join([*parts, "</section>"])

    def table(self, heading: str, rows: Iterator[tuple[str, str, str]]) -> str:
        """Return a table, nothing when it has no rows."""
        lines = "".join(f"<tr><td>{a}</td><td>{b}</td><td>{c}</td></tr>" for a, b, c in rows)
        return f"<h4>{escape(heading)}</h4><table>{lines}</table>" if lines else ""

    def prose(self, text: str) -> str:
        """Render Markdown; HTML in it stays text."""
        return str(self.markdown.render(text)) if text else ""


def write_reading_view(document: Node) -> str:
    """Return the whole page."""
    return frame_page(f"{document['info']['title']} API", "", ReadingView(document).render(), "plain")


def code(text: str) -> str:
    """Return text as code."""
    return f"<code>{escape(text)}</code>"


def title(name: str) -> str:
    """Return the name of a group as a heading."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]
