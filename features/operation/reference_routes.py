"""The API described: the OpenAPI document, Swagger UI from files of our own host, and the page of reasons."""

from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request, send_file

from features.current import app
from machine.http.problem import Problem
from machine.http.reasons import REASONS
from machine.http.route import route
from machine.openapi import Document
from machine.openapi.html_frame import frame_page
from machine.openapi.problems import statuses_of

blueprint = Blueprint("docs", __name__)
# The document is compiled on first use: other blueprints may still add routes after this one.
blueprint.record(lambda state: state.app.extensions.update(openapi=Document(state.app)))

STATIC = Path(__file__).resolve().parent / "static"
OWN = ("docs.js", "docs.css")
SWAGGER_UI = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-16x16.png", "favicon-32x32.png")
# Swagger UI writes style attributes and inlines pictures; scripts and requests stay on this host.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "public, max-age=300",
}
DAY = 86400
# What these routes have in common: they stand beside the API, and ask nobody to sign in.
ABOUT: dict[str, Any] = {"root": True, "tag": "meta", "identify": False}


@route(
    blueprint, "GET", "/openapi.json", access="anyone", **ABOUT,
    summary="This document as JSON", answers={200: "The OpenAPI document.", 304: "You have it."},
    content="application/json", returns={},
)  # fmt: skip
def openapi_json() -> Response:
    """Return the document from memory."""
    return answer_document("json", "application/json")


@route(
    blueprint, "GET", "/openapi.yaml", access="anyone", **ABOUT,
    summary="This document as YAML", answers={200: "The OpenAPI document.", 304: "You have it."},
    content="application/yaml",
)  # fmt: skip
def openapi_yaml() -> Response:
    """Return the document from memory."""
    return answer_document("yaml", "application/yaml")


@route(
    blueprint, "GET", "/docs", access="anyone", **ABOUT,
    summary="Read and try the API in a browser", answers={200: "Swagger UI."}, content="text/html",
    operation="docsPage",
)  # fmt: skip
def swagger_ui() -> Response:
    """Return the page that shows Swagger UI."""
    head = (
        '<link rel="stylesheet" href="/docs/assets/swagger-ui.css">'
        '<script src="/docs/assets/swagger-ui-bundle.js" defer></script>'
        '<script src="/docs/assets/docs.js" defer></script>'
    )
    pages = {
        "/docs/read": "Read it all",
        "/docs/errors": "Reasons of errors",
        "/openapi.json": "JSON",
        "/openapi.yaml": "YAML",
    }
    back = " · ".join(f'<a href="{href}">{text}</a>' for href, text in pages.items())
    return page("Marquee API", head, f'<nav class="back">{back}</nav><div id="swagger-ui"></div>')


@route(
    blueprint, "GET", "/docs/read", access="anyone", **ABOUT,
    summary="Read the whole API on one page", answers={200: "A page without scripts.", 304: "You have it."},
    content="text/html", operation="docsReading",
)  # fmt: skip
def reading_page() -> Response:
    """Return the document as a page to read or print."""
    body, packed, etag = document().get("html")
    return answer_bytes(body, packed, etag, "text/html")


@route(
    blueprint, "GET", "/docs/errors", access="anyone", **ABOUT,
    summary="Every reason an error may give", answers={200: "A page; `#reason` leads to one."},
    content="text/html", operation="docsErrors",
)  # fmt: skip
def reasons_page() -> Response:
    """Return the page that problem bodies link to in `type`."""
    return page("Reasons of errors", "", reasons_body(), "plain")


@route(
    blueprint, "GET", "/docs/assets/<name>", access="anyone", **ABOUT,
    summary="A file of the pages", answers={200: "The file.", 304: "You have it."},
    content="text/css, text/javascript, image/png", reasons=["not_found"], operation="docsAsset",
)  # fmt: skip
def asset(name: str) -> Response:
    """Return a file: ours, or one of the pinned package of Swagger UI."""
    if name in OWN:
        path = STATIC / name
    elif name in SWAGGER_UI:
        path = swagger_ui_dir() / name
    else:
        raise Problem(404, "not_found")
    response = send_file(path, conditional=True, max_age=DAY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def document() -> Document:
    """Return the document of this app."""
    found: Document = app().extensions["openapi"]
    return found


def answer_document(form: str, media: str) -> Response:
    """Answer with one form of the document."""
    return answer_bytes(*document().get(form), media)


def answer_bytes(body: bytes, packed: bytes, etag: str, media: str) -> Response:
    """Answer with cached bytes, compressed for those who read gzip."""
    zipped = "gzip" in request.accept_encodings
    response = Response(packed if zipped else body, mimetype=media)
    if media == "text/html":
        response.headers.update(HEADERS)
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    response.set_etag(f"{etag}-gzip" if zipped else etag)
    response.headers["Cache-Control"] = "public, no-cache"
    response.headers["Vary"] = "Accept-Encoding"
    response.make_conditional(request)
    return response


@cache
def swagger_ui_dir() -> Path:
    """Return the folder of the package that holds Swagger UI."""
    import flask_swagger_ui

    return Path(flask_swagger_ui.__file__).parent / "dist"


@cache
def reasons_body() -> str:
    """Return the list of reasons in HTML."""
    entries = "".join(
        f'<h2 id="{word}"><code>{word}</code> <span class="status">'
        f"{', '.join(str(status) for status in statuses_of(word))}</span></h2><p>{escape(sentence)}</p>"
        for word, sentence in REASONS.items()
    )
    intro = (
        "<p>Every error is one JSON body (RFC 9457). Its <code>reason</code> is one of these words; they do not "
        "change. Beside it stand a <code>detail</code> for people, the <code>request_id</code>, and "
        "<code>issues</code> where fields are wrong.</p>"
    )
    back = '<nav class="back"><a href="/docs">The API</a></nav>'
    return f"{back}<main><h1>Reasons of errors</h1>{intro}{entries}</main>"


def page(title: str, head: str, body: str, kind: str = "") -> Response:
    """Return an HTML page with the security policy of these pages."""
    return Response(frame_page(title, head, body, kind), headers=HEADERS, mimetype="text/html")
