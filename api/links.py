"""Links of documents: where they are, what stands below them, what may be done to them now, by this caller."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from policy.match import compile_filter
from policy.registry import Registry
from policy.resource import Action, Resource
from settings import PREFIX

Link = dict[str, str]
Offer = tuple[Action, Callable[[Mapping[str, Any]], bool]]
# Stands for the id in a rendered template.
ID_MARK = "{id}"


class Links:
    """Builds `_links` of one resource's documents by concatenation; everything else is settled at start-up."""

    def __init__(self, resource: Resource, registry: Registry) -> None:
        self.resource = resource
        self.base = f"{PREFIX}/{resource.name}"
        self.title = resource.name.replace("_", " ").rstrip("s").capitalize()
        self.parent = {"href": self.base, "title": resource.name}
        self.below = [
            (mount.segment, f"/{mount.segment}", child.name)
            for child, mount in registry.mounts[resource.name]
        ]
        self.templates: dict[tuple[frozenset[str], bool, tuple[str, ...]], str] = {}
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
        deleted = bool(document.get("deleted_at"))
        legal = tuple([action.name for action, test in self.offers(words, deleted) if test(document)])
        template = self.templates.get((words, deleted, legal))
        if template is None:
            links = self.of({**document, "_id": ID_MARK}, words)
            template = self.templates[words, deleted, legal] = orjson.dumps(links).decode()
        return orjson.Fragment(template.replace(ID_MARK, str(document["_id"])))

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
