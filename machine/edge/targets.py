"""What a URL names of the resources, and what a caller sees there: reads without Flask."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from bson import ObjectId
from werkzeug.datastructures import MultiDict

from machine.access.caller import Caller
from machine.declare.resource import Mount
from machine.eve.app import Marquee
from machine.read.places import Place
from machine.read.reads import Reader
from settings import PREFIX

ID = re.compile(r"[a-f0-9]{24}")
MOST_ARGUMENTS = 20


@dataclass(slots=True)
class Target:
    """What a URL names: a list or an item of a resource."""

    reader: Reader
    id: ObjectId | None = None
    mount: Mount | None = None
    parent_id: ObjectId | None = None

    @property
    def route(self) -> str:
        """Return the template of the URL."""
        name = self.reader.resource.name
        if self.mount is not None:
            return f"{PREFIX}/{self.mount.parent}/{{{self.mount.field}}}/{self.mount.segment}"
        return f"{PREFIX}/{name}" if self.id is None else f"{PREFIX}/{name}/{{id}}"


class Targets:
    """Finds what URLs name, and reads it. `app` is the Flask application."""

    def __init__(self, app: Marquee) -> None:
        self.registry = app.registry
        self.reads = app.reads
        self.mounts = {
            (mount.parent, mount.segment): (app.reads[resource.name], mount)
            for resource in app.registry
            for mount in resource.mounts
        }

    def find(self, path: str) -> Target | None:
        """Read a path below the prefix: a list, an item, or a list below an item."""
        match path.removeprefix(PREFIX).strip("/").split("/"):
            case [name] if name in self.registry:
                return Target(self.reads[name])
            case [name, id_] if name in self.registry and ID.fullmatch(id_):
                return Target(self.reads[name], ObjectId(id_))
            case [name, id_, segment] if (name, segment) in self.mounts and ID.fullmatch(id_):
                reader, mount = self.mounts[name, segment]
                return Target(reader, None, mount, ObjectId(id_))
        return None

    def shown(self, target: Target, query: str, caller: Caller, tags: set[str] | None) -> dict[str, Any]:
        """Return what a caller sees of a target, noting what it is built from; raise what refuses it."""
        args = MultiDict(parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_ARGUMENTS))
        reader = target.reader
        if target.id is not None:
            return reader.item(target.id, args, caller, tags)
        path = f"{PREFIX}/{reader.resource.name}"
        if target.mount is None or target.parent_id is None:
            return reader.page(Place(path), args, caller, tags)
        above = self.reads.with_parent(target.mount.parent, target.parent_id, caller, tags)
        path = f"{PREFIX}/{target.mount.parent}/{target.parent_id}/{target.mount.segment}"
        return reader.page(Place(path, target.mount, *above), args, caller, tags)
