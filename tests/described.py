"""What the API answers in tests that mirror it is held against the OpenAPI document: status and content type."""

import pytest
from flask import request

from assembly import create_app
from machine.openapi import compile_document
from machine.openapi.naming import template
from tests.plan import HERE

# Attacks and faults, which ask what no client would, look at the answers themselves.
HELD = {"clients", "features", "hooks", "machine"}


@pytest.fixture(scope="session")
def described():
    """Return what the document says: (path, method) -> status -> content types, or nothing of a body."""
    document = compile_document(create_app())

    def resolve(node):
        while "$ref" in node:
            kind, name = node["$ref"].split("/")[-2:]
            node = document["components"][kind][name]
        return node

    return {
        (path, method.upper()): {
            int(status): set(resolve(answer).get("content", {}))
            for status, answer in operation["responses"].items()
        }
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


@pytest.fixture(scope="module")
def answers(app):
    """Return the list to which every answer of the application is added."""
    seen = []

    def note(response):
        if request.url_rule is not None:
            seen.append(
                (template(request.url_rule.rule), request.method, response.status_code, response.mimetype)
            )
        return response

    app.after_request_funcs.setdefault(None, []).append(note)
    return seen


@pytest.fixture(autouse=True)
def every_answer_is_described(request):
    """Hold what the application of this test answers against the document, in the folders of HELD."""
    if "app" not in request.fixturenames or not held(request.path):
        yield
        return
    described, answers = request.getfixturevalue("described"), request.getfixturevalue("answers")
    answers.clear()
    yield
    assert undescribed(described, set(answers)) == []


def held(path):
    return path.relative_to(HERE).parts[0] in HELD


def undescribed(described, answers):
    """Return the answers of which the document says nothing."""
    return [
        answer
        for answer in sorted(answers)
        if answer[:2] in described
        and (answer[2] not in described[answer[:2]] or not typed(described[answer[:2]][answer[2]], answer[3]))
    ]


def typed(types, mimetype):
    return not types or mimetype in types
