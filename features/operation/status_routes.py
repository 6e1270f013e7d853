"""The page at `/`: what runs, which build, how each part is, and where to go; JSON for machines, HTML for people."""

from html import escape
from typing import Any

from flask import Blueprint, Response, request

from features.current import app
from features.operation.health import OK, Health, can_serve
from machine.current import Application
from machine.http.route import respond, route
from machine.http.shape import TEXT, each
from settings import PREFIX

blueprint = Blueprint("status", __name__)
LINKS = {
    "api": (f"{PREFIX}/", "The API: every resource and action by links"),
    "docs": ("/docs", "Read and try the API"),
    "openapi": ("/openapi.json", "The OpenAPI document"),
    "errors": ("/docs/errors", "Every reason that an error may give"),
    "ready": ("/readyz", "The same for load balancers"),
}
NAMES = {
    "mongodb": "MongoDB",
    "indexes": "Indexes",
    "redis": "Redis",
    "media": "Media store",
    "jobs": "Workers",
}
STATUS = {
    "name": TEXT,
    "status": {**TEXT, "allowed": ["ok", "degraded", "draining", "unavailable"]},
    "build": TEXT,
    "parts": each({"type": "string"}),
    "_links": {"type": "dict", "required": True},
}
SENTENCES = {
    "ok": "Everything works.",
    "degraded": "The API serves. One part is not well: what depends on it waits, and is done later.",
    "draining": "This instance is about to end and takes no new work.",
    "unavailable": "The API cannot serve now.",
}
POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"


@route(blueprint, "GET", "/", root=True, access="anyone", tag="meta", identify=False, returns=STATUS,
       summary="What runs here, and how it is",
       description="A browser gets a page. It is always 200: ask `/readyz` to decide about traffic.",
       answers={200: "The state of the platform, and links."}, content="application/json, text/html")  # fmt: skip
def show_status() -> Response:
    """Answer with a page or with JSON, as the client prefers."""
    facts = facts_of(app())
    kinds = ["application/json", "text/html"]
    wants_page = request.accept_mimetypes.best_match(kinds, default=kinds[0]) == "text/html"
    answer = as_page(facts) if wants_page else respond(facts)
    answer.headers.update({"Vary": "Accept", "Cache-Control": "no-store"})
    return answer


def facts_of(app: Application) -> dict[str, Any]:
    """Return the state of the platform."""
    health: Health = app.extensions["health"]
    parts = health.parts()
    well = all(state == OK for state in parts.values())
    status = (
        "draining"
        if health.draining
        else "unavailable"
        if not can_serve(parts)
        else "ok"
        if well
        else "degraded"
    )
    links = {name: {"href": href, "title": title} for name, (href, title) in LINKS.items()}
    return {"name": "Marquee", "status": status, "build": app.settings.build, "parts": parts, "_links": links}


def as_page(facts: dict[str, Any]) -> Response:
    """Return the page. It needs no script, and says in words what it says in colour."""
    rows = "".join(
        f'<tr><th scope="row">{NAMES[name]}</th><td>{escape(state)}</td></tr>'
        for name, state in facts["parts"].items()
    )
    links = "".join(
        f'<li><a href="{link["href"]}">{escape(link["title"])}</a></li>' for link in facts["_links"].values()
    )
    body = (
        f"<main><h1>Marquee</h1><p>{SENTENCES[facts['status']]}</p>"
        f"<table><caption>Parts</caption><tbody>{rows}</tbody></table>"
        f"<p>Build: <code>{escape(facts['build'])}</code></p><h2>Where to go</h2><ul>{links}</ul></main>"
    )
    headers = {
        "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    }  # fmt: skip
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Marquee: status</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="/docs/assets/docs.css"></head><body class="plain">{body}</body></html>'
    )
    return Response(page, headers=headers, mimetype="text/html")
