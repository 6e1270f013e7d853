"""Cache tags: what an answer was built from, and what a write changes; it makes answers stale that share a tag with it.

`videos:<id>` is one document; `videos/` is every list of them; `videos/channel=<id>` is one filtered list.
`videos#` is bumped by whatever touches any video that strangers may read: an answer is kept only if it did not move
while it was computed, since which documents an answer holds is known only afterwards.
"""

from collections.abc import Mapping
from itertools import product
from typing import Any

from machine.access.caller import ANONYMOUS
from machine.access.rights import may_read
from machine.declare.resource import Resource

Document = Mapping[str, Any]
# The tag of the trending lists, which are no resource: a job makes them.
TRENDING = "trending/"


def tag_of(resource: str, id_: Any) -> str:
    """Return the tag of one document."""
    return f"{resource}:{id_}"


def touched(resource: str) -> str:
    """Return the tag of whatever happens to any document of a resource that strangers may read."""
    return f"{resource}#"


def tag_of_list(resource: Resource, condition: Mapping[str, Any]) -> str:
    """Return the narrowest tag that every write to this list bumps."""
    names = frozenset(condition)
    exact = not any(
        isinstance(value, dict | list) or name.startswith("$") for name, value in condition.items()
    )
    if names and exact and any(query.filter == names for query in resource.queries):
        return list_tag(resource.name, sorted(condition.items()))
    return f"{resource.name}/"


def list_tag(resource: str, pairs: Any) -> str:
    """Return the tag of a list filtered by these (field, value) pairs."""
    return f"{resource}/" + "&".join(f"{name}={value}" for name, value in pairs)


def tags_of_write(resource: Resource, before: Document | None, after: Document | None) -> set[str]:
    """Return every tag that a write touches: the document, and each list that strangers see it in or saw it in.

    What is kept is kept for strangers: a draft that is being uploaded, or a row of a history, makes no list stale.
    """
    documents = [document for document in (before, after) if document is not None]
    tags = {tag_of(resource.name, document["_id"]) for document in documents}
    seen = [document for document in documents if may_read(resource, document, ANONYMOUS)]
    if seen:
        tags |= {f"{resource.name}/", touched(resource.name)}
    for document in seen:
        for query in resource.queries:
            names = sorted(query.filter)
            values = [value if isinstance(value := document.get(name), list) else [value] for name in names]
            if names:
                tags |= {
                    list_tag(resource.name, zip(names, chosen, strict=True)) for chosen in product(*values)
                }
    return tags
