"""Puts the document together: one operation per URL rule and method, and only the components that are used."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from importlib import import_module
from typing import Any

import yaml

from machine.http.route import RouteSpec
from machine.http.shape import LINKS, TEXT, Shape
from machine.openapi.components import SERVERS, compile_base
from machine.openapi.examples import NOTHING, Examples
from machine.openapi.models import Models
from machine.openapi.naming import a, noun, pascal, path_parameters, singular, template
from machine.openapi.parameters import SHARED, shared_headers
from machine.openapi.problems import problem_schema
from machine.openapi.reading import write_reading_view
from machine.openapi.resources import ResourceOperations
from machine.openapi.routes import RouteOperations, identity, loose_schemas
from machine.openapi.security import SCHEMES, security
from machine.openapi.words import INFO, TAGS

OPENAPI = "3.0.3"
HOME = RouteSpec(
    "GET", "/api/v1/", "anyone", "The entry point", "meta", answers={200: "Links to everything."},
    returns=Shape("Home", {"name": TEXT, "_links": LINKS}),
    description="Everything can be reached from here by links alone.",
)  # fmt: skip
Describe = Callable[[], dict[str, Any]]


class Document:
    """The compiled document as bytes, made on first use and once."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.lock = threading.Lock()
        self.document: dict[str, Any] = {}
        self.made: dict[str, tuple[bytes, bytes, str]] = {}

    def get(self, form: str) -> tuple[bytes, bytes, str]:
        """Return (bytes, bytes in gzip, etag) of the form `json`, `yaml` or `html`, the page to read."""
        with self.lock:
            if not self.document:
                self.document = compile_document(self.app)
            if form not in self.made:
                self.made[form] = pack(FORMS[form](self.document))
        return self.made[form]


FORMS: dict[str, Callable[[dict[str, Any]], str]] = {
    "json": lambda document: json.dumps(document, ensure_ascii=False, separators=(",", ":")),
    "yaml": lambda document: yaml.dump(
        document, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True
    ),
    "html": write_reading_view,
}


def pack(text: str) -> tuple[bytes, bytes, str]:
    """Return a text as bytes, compressed bytes, and their ETag."""
    body = text.encode()
    return body, gzip.compress(body, mtime=0), blake2b(body, digest_size=12).hexdigest()


def compile_document(app: Any) -> dict[str, Any]:
    """Return the whole document of an application."""
    specs = route_specs(app)
    base = compile_base(app, INFO, loose_schemas(specs))
    models = Models(app.registry, base["compiled"])
    components: dict[str, Any] = {
        "schemas": models.schemas, "responses": {}, "examples": {}, "headers": shared_headers(),
        "parameters": SHARED, "securitySchemes": SCHEMES,
    }  # fmt: skip
    models.schemas["Problem"] = problem_schema()
    routes = RouteOperations(app.registry, models, base["compiled"], components)
    paths: dict[str, Any] = {}
    taken: set[str] = set()
    for rule, method, describe in operations(app, models, components, routes, specs):
        item = paths.setdefault(template(rule), {})
        operation = describe()
        known = {one["name"] for one in operation["parameters"] if "name" in one}
        about = parameter_words(app, rule)
        own = [one for one in path_parameters(rule, about) if one["name"] not in known]
        operation["parameters"] = [*own, *operation["parameters"]]
        if operation["operationId"] in taken:
            operation["operationId"] += pascal(operation["tags"][0])
        taken.add(operation["operationId"])
        item[method.lower()] = operation
    give_examples(models.schemas)
    used = {tag for item in paths.values() for operation in item.values() for tag in operation["tags"]}
    document = {
        "openapi": OPENAPI, "info": base["info"], "servers": SERVERS, "tags": list(describe_tags(app, used)),
        "security": security("user"), "paths": dict(sorted(paths.items())), "components": components,
    }  # fmt: skip
    return prune(document)


def route_specs(app: Any) -> dict[str, RouteSpec]:
    """Return the specs of all routes by operation id."""
    found = {"home": HOME}
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint)):
        spec = getattr(app.view_functions[rule.endpoint], "spec", None)
        if spec is not None:
            found[identity(spec, rule.endpoint, found)] = spec
    return found


def operations(
    app: Any, models: Models, components: dict[str, Any], routes: RouteOperations, specs: dict[str, RouteSpec]
) -> Iterator[tuple[str, str, Describe]]:
    """Yield (rule, method, how to describe it) of every operation that the application answers."""
    for name, spec in specs.items():
        yield spec.path, spec.method, partial(routes.of, name, spec)
    mounts = {f"{m.parent}_{m.segment}": m for resource in app.registry for m in resource.mounts}
    for rule in app.url_map.iter_rules():
        name, _, kind = rule.endpoint.partition("|")
        if kind not in ("resource", "item_lookup", "item_additional_lookup"):
            continue
        resource = app.registry[app.base_of[name]]
        refused = app.refusals.get(resource.name, {})
        makes = ResourceOperations(resource, models, components, mounts.get(name), refused)
        lookup = next(iter(rule.arguments)) if kind == "item_additional_lookup" else ""
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            yield (
                rule.rule,
                method,
                partial(makes.of, "list" if kind == "resource" else "item", method, lookup),
            )


def parameter_words(app: Any, rule: str) -> dict[str, str]:
    """Return sentences for the variable parts of a URL."""
    steps = [step for step in rule.split("/") if step and not step.startswith("<")]
    resource = next((step for step in steps if step in app.registry), "")
    thing = noun(resource) if resource else "document"
    return {"id": f"The id of the {thing}.", singular(resource): f"The id of the {thing}."}


def describe_tags(app: Any, used: set[str]) -> Iterator[dict[str, str]]:
    """Yield the groups of operations with a sentence each: the docstring of the resource, or ours."""
    for name in [*(tag for tag in TAGS if tag in used), *sorted(used - set(TAGS))]:
        about = TAGS.get(name, "")
        if not about and name in app.registry:
            about = (declaration_words(name)) or f"What can be done with {a(noun(name))}."
        yield {"name": name, "description": about or f"Everything about {name.replace('_', ' ')}."}


def declaration_words(resource: str) -> str:
    """Return the first line of the docstring of a resource's file, without the name it begins with."""
    try:
        text = (import_module(f"schemas.{resource}").__doc__ or "").strip().split("\n")[0]
    except ModuleNotFoundError:
        return ""
    sentence = text.partition(": ")[2] or text
    return sentence[:1].upper() + sentence[1:]


def give_examples(schemas: dict[str, Any]) -> None:
    """Give every schema an example that satisfies it."""
    examples = Examples(schemas)
    for name in list(schemas):
        made = examples.of(schemas[name])
        if made is not NOTHING and "example" not in schemas[name]:
            schemas[name] = {**schemas[name], "example": made}


def prune(document: dict[str, Any]) -> dict[str, Any]:
    """Drop the components that nothing refers to."""
    components = document["components"]
    while True:
        text = json.dumps(document)
        unused = [
            (kind, name) for kind, named in components.items() if kind != "securitySchemes"
            for name in named if f'"#/components/{kind}/{name}"' not in text
        ]  # fmt: skip
        if not unused:
            return document
        for kind, name in unused:
            components[kind] = {key: value for key, value in components[kind].items() if key != name}
