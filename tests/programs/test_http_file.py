"""The `.http` file that `run.py openapi` writes holds every operation, and httpyac sends its journey."""

import json
import re
import shutil
import sys

import pytest

from machine.openapi.journey import JOURNEY
from tests.platform import CLIP, ROOT
from tests.programs.conftest import run


@pytest.fixture(scope="module")
def folder(platform, tmp_path_factory):
    made = tmp_path_factory.mktemp("http")
    words = ["openapi", "--format", "http", "--base", platform.base, "--output", made / "marquee.http"]
    run([sys.executable, "run.py", *words], cwd=ROOT)
    shutil.copy(CLIP, made / "walk.mp4")
    return made


def test_file_holds_every_operation_once(folder, document):
    paths = json.loads(document.read_text())["paths"]
    named = re.findall(r"^# @name (\w+)$", (folder / "marquee.http").read_text(), re.MULTILINE)
    steps = [f"step{number:02}" for number, _ in enumerate(JOURNEY, 1)]
    described = [operation["operationId"] for item in paths.values() for operation in item.values()]
    assert sorted(named) == sorted([*steps, *described])


def test_httpyac_makes_the_journey(node_tool, folder):
    words = ["marquee.http", "--tag", "journey", "--bail", "--json", "--output", "none"]
    said = node_tool("httpyac", "send", *words, cwd=folder)
    report = json.loads(said[said.index("{") :])
    tests = [one for answer in report["requests"] for one in answer.get("testResults", [])]
    assert report["summary"]["failedTests"] == report["summary"]["erroredTests"] == 0, tests
    assert {one["message"] for one in tests} >= {"answers 201", "answers 412", "says why"}
    titles = {answer["title"] for answer in report["requests"] if answer.get("title")}
    assert len(titles) == len(JOURNEY)
