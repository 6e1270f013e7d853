"""The Postman collection that `run.py openapi` writes holds every operation, and newman runs it."""

import json
import re
import shutil
import sys

import pytest

from tests.platform import CLIP, ROOT
from tests.programs.conftest import run

# They end the sign-in that the rest of the collection needs, or do not end at all.
APART = {
    "POST /api/v1/auth/logout", "POST /api/v1/auth/logout-all", "POST /api/v1/auth/password",
    "DELETE /api/v1/me", "GET /api/v1/me/stream",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(platform, tmp_path_factory):
    """Return the folder that holds the collection and a film, as a person would have them."""
    made = tmp_path_factory.mktemp("postman")
    words = ["openapi", "--format", "postman", "--base", platform.base, "--output", made / "marquee.json"]
    run([sys.executable, "run.py", *words], cwd=ROOT)
    shutil.copy(CLIP, made / "walk.mp4")
    return made


@pytest.fixture(scope="module")
def collection(folder):
    return json.loads((folder / "marquee.json").read_text())


def operation(item):
    """Return method and path of a request, the variables of the path without their names."""
    path = item["request"]["url"]["raw"].removeprefix("{{base}}")
    return item["request"]["method"], re.sub(r"\{\{\w+\}\}", "{}", path) or "/"


def test_collection_holds_every_operation_once(collection, document):
    described = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, item in json.loads(document.read_text())["paths"].items()
        for method in item
    }
    held = [operation(item) for group in collection["item"][1:] for item in group["item"]]
    assert len(held) == len(set(held)) and set(held) == described


def test_every_variable_is_defined(collection):
    defined = {one["key"] for one in collection["variable"]}
    assert set(re.findall(r"\{\{(\w+)\}\}", json.dumps(collection))) <= defined


def test_newman_makes_the_journey(node_tool, folder, collection):
    report = newman(node_tool, folder, "marquee.json", "--folder", "journey")
    assert failures(report) == []
    names = {one["item"]["name"] for one in report["executions"]}
    assert names == {item["name"] for item in collection["item"][0]["item"]}


def test_every_request_is_answered_as_described(node_tool, folder, collection):
    for group in collection["item"][1:]:
        group["item"] = [one for one in group["item"] if " ".join(operation(one)) not in APART]
        # A kept connection may be closed just as newman writes to it, and newman does not write again.
        for one in group["item"]:
            one["request"].setdefault("header", []).append({"key": "Connection", "value": "close"})
    (folder / "most.json").write_text(json.dumps(collection))
    report = newman(node_tool, folder, "most.json", "--timeout-request", "20000")
    assert failures(report) == []
    answered = [one["response"]["code"] for one in report["executions"]]
    assert len(answered) > 190
    # Most of it is let in: the journey has signed in and made what the requests name.
    assert sum(code < 300 for code in answered) > len(answered) / 3


def newman(node_tool, folder, collection, *words):
    """Run a collection and return newman's report of it."""
    report = folder / "report.json"
    node_tool("newman", "run", collection, "--working-dir", folder, "--color", "off", "--reporters", "json",
              "--reporter-json-export", report, "--suppress-exit-code", *words, cwd=folder)  # fmt: skip
    return json.loads(report.read_text())["run"]


def failures(report):
    return [f"{one['source']['name']}: {one['error']['message']}" for one in report["failures"]]
