"""Links of documents: where they are, what stands below them, and what may be done to them now, by this caller."""

from collections.abc import Mapping
from typing import Any

from policy.access import is_legal
from policy.registry import Registry
from policy.resource import Resource
from settings import PREFIX

Link = dict[str, str]


class Links:
    """Builds `_links` of one resource's documents by concatenation; everything else is settled at start-up."""

    def __init__(self, resource: Resource, registry: Registry) -> None:
        self.resource = resource
        self.base = f"{PREFIX}/{resource.name}"
        self.title = resource.name.replace("_", " ").rstrip("s").capitalize()
        self.parent = {"href": self.base, "title": resource.name}
        self.below = [(mount.segment, child.name) for child, mount in registry.mounts[resource.name]]

    def to(self, id_: Any) -> Link:
        """Return the link to one document."""
        return {"href": f"{self.base}/{id_}", "title": self.title}

    def of(self, document: Mapping[str, Any], words: frozenset[str]) -> dict[str, Link]:
        """Return the links of one document for somebody with these words."""
        href = f"{self.base}/{document['_id']}"
        links = {"self": {"href": href, "title": self.title}, "parent": self.parent}
        if not document.get("deleted_at"):
            for segment, title in self.below:
                links[segment] = {"href": f"{href}/{segment}", "title": title}
        for action in self.resource.actions.values():
            if is_legal(action, document, words):
                links[action.name] = {
                    "href": f"{href}/{action.path}", "title": action.title, "method": action.method,
                }  # fmt: skip
        return links

    @property
    def needs(self) -> set[str]:
        """Return the fields that the links depend on, whether or not the client sees them."""
        paths = {path for action in self.resource.actions.values() for path in action.when}
        return {path.split(".")[0] for path in paths} | (
            {self.resource.owner} if self.resource.owner else set()
        )
