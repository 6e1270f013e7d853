"""openapi-python-client reads the live document, leaves nothing out, and its client makes the journey."""

import ast
import sys
from pathlib import Path

import pytest

from tests.field_reports import reported
from tests.platform import CLIP, PASSWORD
from tests.programs.conftest import TOOLS, run

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def folder(tool, document, tmp_path_factory):
    """Return the folder that holds the generated package `marquee_client`."""
    made = tmp_path_factory.mktemp("python")
    words = ["generate", "--path", document, "--meta", "none", "--output-path", made / "marquee_client"]
    said = tool("openapi-python-client", *words, "--config", HERE / "openapi-python-client.yml",
                "--fail-on-warning", cwd=made)  # fmt: skip
    assert "WARNING" not in said, said
    return made


def test_every_operation_has_a_function(folder, document):
    import json
    import re

    paths = json.loads(document.read_text())["paths"]
    wanted = {
        re.sub(r"(?<!^)(?=[A-Z])", "_", operation["operationId"]).lower()
        for item in paths.values()
        for operation in item.values()
    }
    made = {file.stem for file in (folder / "marquee_client" / "api").rglob("*.py")} - {"__init__"}
    assert made == wanted


def test_generated_files_compile(folder):
    files = list(folder.rglob("*.py"))
    assert len(files) > 500
    for file in files:
        ast.parse(file.read_text(), file.name, feature_version=sys.version_info[:2])


@reported(
    "Dates, headers, forms",
    "Clients that generators make of the document do not compile, or fail on the first answer",
    sent="the whole journey, by a Python client of openapi-python-client (TypeScript, Postman and `.http` beside it)",
    back="each step as described",
)
def test_python_client_makes_the_journey(folder, platform):
    # How the library under the client closes idle connections is not ours to judge.
    quiet = ("-W", "error", "-W", "ignore::ResourceWarning")
    said = run(
        [TOOLS / "python", *quiet, HERE / "journey.py", platform.base, CLIP, PASSWORD, "grace"],
        env={"PYTHONPATH": str(folder)},
    )
    assert said.splitlines()[-1] == "the journey is done", said
