"""What the platform does: one room per subject, each with its endpoints, rules, jobs and what they need.

A module is found by the end of its name: `*routes` bring endpoints (`blueprint`), `*rules` what only one resource
does around Eve's events (`RESOURCE`, `HOOKS`; `REASONS` tells the document for what they refuse a method), `*jobs` what
happens later (`@job`, `@every`). A new file is enough.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from machine.discover import modules

if TYPE_CHECKING:
    from flask import Blueprint

Hook = Callable[..., Any]


def blueprints() -> "list[Blueprint]":
    """Return the endpoints of all features."""
    return [module.blueprint for module in modules(sys.modules[__name__], "routes")]


def rules() -> dict[str, dict[str, Hook]]:
    """Return, by resource, the hooks that only this resource has: Eve's event -> function."""
    return {module.RESOURCE: module.HOOKS for module in modules(sys.modules[__name__], "rules")}


def refusals() -> dict[str, dict[str, list[str]]]:
    """Return, by resource, the reasons for which its own hooks refuse a method."""
    found = modules(sys.modules[__name__], "rules")
    return {module.RESOURCE: module.REASONS for module in found if hasattr(module, "REASONS")}
