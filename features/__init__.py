"""The endpoints that are not a resource, one small module per group."""

import importlib

from flask import Blueprint

# Modules of this package that hold a `blueprint`.
BLUEPRINTS = [
    "health",
    "auth",
    "recovery",
    "me",
    "twofactor",
    "oidc",
    "api_keys",
    "wellknown",
    "docs",
    "metrics",
    "status",
    "uploads",
    "tus",
    "lifecycle",
    "playback",
    "webhooks",
    "thumbnails",
    "engagement",
    "comments",
    "views",
    "library",
    "feeds",
    "search",
    "webhooks_out",
    "notifications",
    "moderation",
    "stats",
    "syndication",
    "watching",
]


def blueprints() -> list[Blueprint]:
    """Return all blueprints in order."""
    return [importlib.import_module(f"api.routes.{name}").blueprint for name in BLUEPRINTS]
