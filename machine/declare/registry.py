"""All resources, compiled: found by looking into a package, so that a new file is a new resource."""

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cached_property
from types import ModuleType
from typing import Any

import schemas
from machine.declare.compile import compile_resource
from machine.declare.lint import lint
from machine.declare.resource import Mount, Resource


class BadDeclaration(Exception):
    """The declarations contain mistakes; the message names all of them."""


class Registry:
    """The compiled resources by name."""

    def __init__(self, definitions: dict[str, dict[str, Any]]) -> None:
        complaints = lint(definitions)
        if complaints:
            raise BadDeclaration("Mistakes in the declarations:\n  " + "\n  ".join(complaints))
        self.resources = {name: compile_resource(name, one) for name, one in definitions.items()}

    @classmethod
    def load(cls, package: ModuleType = schemas) -> "Registry":
        """Compile every module of the package that does not begin with an underscore."""
        return cls(read_definitions(package))

    def __getitem__(self, name: str) -> Resource:
        return self.resources[name]

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.resources.values())

    def __contains__(self, name: str) -> bool:
        return name in self.resources

    @cached_property
    def children(self) -> dict[str, list[tuple[Resource, str]]]:
        """Map each resource to the (resource, field) pairs that refer to it."""
        found: dict[str, list[tuple[Resource, str]]] = {name: [] for name in self.resources}
        for child in self:
            for field in [*child.references, *child.told_references]:
                for parent in child.targets(field):
                    found[parent].append((child, field))
        return found

    @cached_property
    def mounts(self) -> dict[str, list[tuple[Resource, Mount]]]:
        """Map each resource to the sub-resources that stand below its items."""
        found: dict[str, list[tuple[Resource, Mount]]] = {name: [] for name in self.resources}
        for child in self:
            for mount in child.mounts:
                found[mount.parent].append((child, mount))
        return found


def read_definitions(package: ModuleType = schemas) -> dict[str, dict[str, Any]]:
    """Return the `resource` of each module of the package, by module name."""
    names = sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))
    return {name: importlib.import_module(f"{package.__name__}.{name}").resource for name in names}
