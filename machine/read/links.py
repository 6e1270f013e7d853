"""Links of documents: where they are, what stands below them, what may be done to them now, by this caller."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from machine.declare.match import compile_filter, reach
from machine.declare.registry import Registry
from machine.declare.resource import Action, Resource
from settings import PREFIX

Link = dict[str, Any]
Offer = tuple[Action, Callable[[Mapping[str, Any]], bool]]
# Stands for the id in a rendered template.
ID_MARK = "{id}"
# Stands for every value that no condition mentions.
OTHER = "other"


def list_link(resource: Resource, title: str) -> Link:
    """Return the link to a list; where a filter must be named it is a template (RFC 6570)."""
    href = f"{PREFIX}/{resource.name}"
    if any(query.filter <= {resource.owner} for query in resource.queries):
        return {"href": href, "title": title}
    return {"href": f"{href}{{?where}}", "title": title, "templated": True}


def find_link(resource: Resource, title: str) -> Link | None:
    """Return the template of a list's declared filters and sorts, None where there are no filters."""
    if not any(query.filter for query in resource.queries):
        return None
    names = ["where", "sort", *(["deleted"] if resource.keep_deleted else [])]
    href = f"{PREFIX}/{resource.name}{{?{','.join(names)}}}"
    return {"href": href, "title": f"{title}, by a filter", "templated": True}


def route_link(rule: str, spec: Any) -> Link:
    """Return the link to a route; where it cannot do without parameters it is a template (RFC 6570)."""
    needed = ",".join(one["name"] for one in spec.parameters if one["in"] == "query" and one.get("required"))
    link = {"href": rule, "title": spec.summary, "method": spec.method}
    return {**link, "href": f"{rule}{{?{needed}}}", "templated": True} if needed else link


class Links:
    """Builds `_links` of one resource's documents by concatenation; everything else is settled at start-up."""

    def __init__(self, resource: Resource, registry: Registry) -> None:
        self.resource = resource
        self.base = f"{PREFIX}/{resource.name}"
        self.title = resource.name.replace("_", " ").rstrip("s").capitalize()
        self.parent = list_link(resource, resource.name)
        self.below = [
            (mount.segment, f"/{mount.segment}", child.name)
            for child, mount in registry.mounts[resource.name]
        ]
        self.templates: dict[tuple[Any, ...], str] = {}
        self.telling = mentioned_values(resource.actions.values())
        self.offered: dict[tuple[frozenset[str], bool], list[Offer]] = {}

    def to(self, id_: Any) -> Link:
        """Return the link to one document."""
        return {"href": f"{self.base}/{id_}", "title": self.title}

    def of(self, document: Mapping[str, Any], words: frozenset[str]) -> dict[str, Link]:
        """Return the links of one document for somebody with these words."""
        href = f"{self.base}/{document['_id']}"
        links = {"self": {"href": href, "title": self.title}, "parent": self.parent}
        deleted = bool(document.get("deleted_at"))
        if not deleted:
            for name, path, title in self.below:
                links[name] = {"href": href + path, "title": title}
        for action, test in self.offers(words, deleted):
            if test(document):
                links[action.name] = {
                    "href": f"{href}/{action.path}", "title": action.title, "method": action.method,
                }  # fmt: skip
        return links

    def rendered(self, document: Mapping[str, Any], words: frozenset[str]) -> orjson.Fragment:
        """Return the same links as ready JSON: a template per set of legal actions, with the id filled in."""
        state = self.state(document, words)
        template = self.templates.get(state)
        if template is None:
            links = self.of({**document, "_id": ID_MARK}, words)
            template = self.templates[state] = orjson.dumps(links).decode()
        return orjson.Fragment(template.replace(ID_MARK, str(document["_id"])))

    def state(self, document: Mapping[str, Any], words: frozenset[str]) -> tuple[Any, ...]:
        """Return all that the links depend on but for the id: values that no condition mentions are alike."""
        told: list[Any] = [words, bool(document.get("deleted_at"))]
        for path, mentioned in self.telling:
            value = reach(document, path) if "." in path else document.get(path)
            told.append(value if value in mentioned else OTHER)
        return tuple(told)

    def offers(self, words: frozenset[str], deleted: bool) -> list[Offer]:
        """Return the actions that somebody with these words may ever do, each with the test of its state."""
        found = self.offered.get((words, deleted))
        if found is None:
            found = self.offered[words, deleted] = [
                (action, compile_filter(action.when))
                for action in self.resource.actions.values()
                if action.who & words and action.on_deleted is deleted
            ]
        return found

    @property
    def needs(self) -> set[str]:
        """Return the fields that the links depend on, whether or not the client sees them."""
        paths = {path for action in self.resource.actions.values() for path in action.when}
        owner = {self.resource.owner} if self.resource.owner else set()
        return {path.split(".")[0] for path in paths} | owner


def mentioned_values(actions: Iterable[Action]) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    """Return, by path, the values that conditions of these actions compare with. None is always one."""
    found: dict[str, set[Any]] = {}
    for path, condition in (pair for action in actions for pair in action.when.items()):
        wanted = list(condition.values()) if isinstance(condition, Mapping) else [condition]
        values = found.setdefault(path, {None})
        for one in wanted:
            values |= set(one) if isinstance(one, list | tuple) else {one}
    return tuple((path, tuple(values)) for path, values in found.items())
