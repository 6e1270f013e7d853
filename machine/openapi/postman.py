"""Writes the document as a Postman collection: every operation by group, and the journey with its tests."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from machine.openapi.calls import FORM, JSON, VARIABLES, Call, read_calls, variables_of
from machine.openapi.journey import FILE, JOURNEY, Step

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
NAME = [
    "if (!pm.collectionVariables.get('username')) {",
    "  pm.collectionVariables.set('username', 'ada' + Date.now().toString(36));",
    "}",
]
PAUSE = 500
Item = dict[str, Any]


def write_postman(document: Mapping[str, Any], base: str = VARIABLES["base"]) -> str:
    """Return the collection (format 2.1) as JSON."""
    calls = {call.name: call for call in read_calls(document)}
    groups: dict[str, list[Item]] = {tag["name"]: [] for tag in document["tags"]}
    for call in calls.values():
        groups[call.group].append(item_of(call))
    about = {tag["name"]: tag["description"] for tag in document["tags"]}
    first = {
        "name": "journey",
        "description": "From an account to a film that others watch. `clip` is the path of a film.",
        "item": [step_item(number, step, calls) for number, step in enumerate(JOURNEY, 1)],
    }
    folders = [{"name": name, "description": about[name], "item": items} for name, items in groups.items()]
    collection = {
        "info": {
            "name": document["info"]["title"], "description": document["info"]["description"], "schema": SCHEMA,
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "variable": [{"key": name, "value": value} for name, value in variables_of(calls.values(), base).items()],
        "event": [script("prerequest", NAME)],
        "item": [first, *folders],
    }  # fmt: skip
    return json.dumps(collection, ensure_ascii=False, indent=1)


def item_of(call: Call) -> Item:
    """Return a request whose test is that it answers as described."""
    statuses = json.dumps(call.statuses)
    test = [f"pm.test('answers as described', () => pm.expect({statuses}).to.include(pm.response.code));"]
    return {"name": call.title, "event": [script("test", test)], "request": request_of(call)}


def request_of(call: Call) -> Item:
    """Return the request of a call."""
    path = call.url.removeprefix("{{base}}").lstrip("/").split("/")
    queries = [
        {"key": one["name"], "value": "", "description": one.get("description", ""), "disabled": True}
        for one in call.queries
    ]
    request: Item = {
        "method": call.method, "description": call.about,
        "header": [{"key": name, "value": value} for name, value in call.headers.items()],
        "url": {"raw": call.url, "host": ["{{base}}"], "path": path, "query": queries},
    }  # fmt: skip
    if not call.signed:
        request["auth"] = {"type": "noauth"}
    body = body_of(call)
    return {**request, "body": body} if body else request


def body_of(call: Call) -> Item | None:
    """Return the body: JSON, a form with the film, or the bytes of a file."""
    if call.media == FORM:
        return {"mode": "formdata", "formdata": [{"key": "file", "type": "file", "src": "{{clip}}"}]}
    if call.media == JSON:
        return {"mode": "raw", "raw": json.dumps(call.body, ensure_ascii=False, indent=2),
                "options": {"raw": {"language": "json"}}}  # fmt: skip
    return {"mode": "file", "file": {"src": "{{clip}}"}} if call.media else None


def step_item(number: int, step: Step, calls: Mapping[str, Call]) -> Item:
    """Return one step of the journey with its tests, which also keep what later steps need."""
    call = calls[step.operation]
    body = call.body if step.sends in (None, FILE) else step.sends
    item = request_of(replace(call, body=body, headers={**call.headers, **step.headers}, queries=()))
    name = f"{number:02} {call.title}" + (f": {step.reason}" if step.reason else "")
    return {"name": name, "event": [script("test", tests_of(step, name))], "request": item}


def tests_of(step: Step, name: str) -> list[str]:
    """Return the test script of a step."""
    lines = [f"pm.test('answers {step.status}', () => pm.response.to.have.status({step.status}));"]
    if step.reason:
        wanted = f"pm.expect(pm.response.json().reason).to.eql('{step.reason}')"
        lines.append(f"pm.test('says why', () => {wanted});")
    for variable, path in step.keeps.items():
        lines.append(f"pm.collectionVariables.set('{variable}', pm.response.json().{path});")
    if step.until:
        path, value = step.until
        lines += [
            f"const now = pm.response.json().{path};",
            f"if (now === '{value}' || now === 'FAILED') {{",
            f"  pm.test('becomes {value}', () => pm.expect(now).to.eql('{value}'));",
            "} else {",
            f"  pm.execution.setNextRequest({json.dumps(name)});",
            f"  setTimeout(() => {{}}, {PAUSE});",
            "}",
        ]
    return lines


def script(event: str, lines: list[str]) -> Item:
    """Return a script of a request."""
    return {"listen": event, "script": {"type": "text/javascript", "exec": lines}}
