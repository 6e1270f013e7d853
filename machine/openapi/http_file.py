"""Writes the document as an `.http` file, which JetBrains' HTTP client and httpyac read: the journey, then the rest."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from machine.openapi.calls import FORM, JSON, VARIABLES, Call, read_calls, variables_of
from machine.openapi.journey import FILE, JOURNEY, Step

BOUNDARY = "part-of-the-form"
START = """\
< {%
  if (!client.global.get("username")) {
    client.global.set("username", "ada" + Date.now().toString(36));
  }
%}"""
GIVEN = ("base", "password", "clip")
PAUSE = 500


def write_http(document: Mapping[str, Any], base: str = VARIABLES["base"]) -> str:
    """Return the file."""
    calls = {call.name: call for call in read_calls(document)}
    given = variables_of(calls.values(), base)
    head = [f"# {document['info']['title']}: the journey first, then every operation.", ""]
    # The others are set by the journey, which a line here would overrule.
    variables = [f"@{name} = {given[name]}" for name in given if name in GIVEN or name not in VARIABLES]
    steps = [step_text(number, step, calls) for number, step in enumerate(JOURNEY, 1)]
    others = [
        "\n".join([f"### {call.title}", f"# @name {call.name}", *lines_of(call)]) for call in calls.values()
    ]
    return "\n\n".join(["\n".join([*head, *variables]), *steps, *others]) + "\n"


def lines_of(call: Call) -> Iterator[str]:
    """Yield the lines of a request."""
    yield f"{call.method} {call.url}"
    if call.signed:
        yield "Authorization: Bearer {{token}}"
    for name, value in call.headers.items():
        yield f"{name}: {value}"
    if call.media == FORM:
        yield f"Content-Type: {FORM}; boundary={BOUNDARY}"
        yield from ("", f"--{BOUNDARY}", 'Content-Disposition: form-data; name="file"; filename="walk.mp4"')
        yield from ("Content-Type: video/mp4", "", "< {{clip}}", f"--{BOUNDARY}--")
    elif call.media == JSON:
        yield from ("", json.dumps(call.body, ensure_ascii=False, indent=2))
    elif call.media:
        yield from ("", "< {{clip}}")


def step_text(number: int, step: Step, calls: Mapping[str, Call]) -> str:
    """Return one step of the journey with its tests."""
    call = calls[step.operation]
    body = call.body if step.sends in (None, FILE) else step.sends
    call = replace(call, body=body, headers={**call.headers, **step.headers})
    title = f"### {number:02} {call.title}" + (f": {step.reason}" if step.reason else "")
    name = f"step{number:02}"
    lines = [title, f"# @name {name}", "# @tag journey"]
    if step.until:
        path, value = step.until
        # httpyac repeats the request; elsewhere one sends it again by hand.
        lines += [f'# @loop while {path} !== "{value}" && {path} !== "FAILED"', f"# @sleep {PAUSE}"]
    lines += [START] if number == 1 else []
    return "\n".join([*lines, *lines_of(call), "", "> {%", *tests_of(step), "%}"])


def tests_of(step: Step) -> Iterator[str]:
    """Yield the lines of the script that checks the answer and keeps what later steps need."""
    yield f'  client.test("answers {step.status}", () => client.assert(response.status === {step.status}));'
    if step.reason:
        yield f'  client.test("says why", () => client.assert(response.body.reason === "{step.reason}"));'
    for variable, path in step.keeps.items():
        yield f'  client.global.set("{variable}", response.body.{path});'
