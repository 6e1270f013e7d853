"""Find modules by the end of their name, so that a new file is enough and no list needs to know it."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType


def modules(package: ModuleType, ending: str) -> Iterator[ModuleType]:
    """Import and yield every module below a package whose name ends like this, in the order of their names."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.ispkg and found.name.endswith(ending):
            yield importlib.import_module(found.name)
