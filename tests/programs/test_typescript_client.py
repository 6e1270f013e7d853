"""openapi-typescript reads the live document, tsc accepts a strict program, and openapi-fetch makes the journey."""

import json
import shutil
from pathlib import Path

import pytest

from tests.platform import CLIP, PASSWORD
from tests.programs.conftest import NODE, run

HERE = Path(__file__).parent
STRICT = [
    "--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "--target", "es2023",
    "--module", "nodenext", "--types", "node",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(node_tool, document, tmp_path_factory):
    """Return the folder with the types and the program compiled against them."""
    made = tmp_path_factory.mktemp("typescript")
    (made / "node_modules").symlink_to(NODE)
    (made / "package.json").write_text(json.dumps({"type": "module", "private": True}))
    said = node_tool(
        "openapi-typescript", document, "--output", made / "schema.d.ts", "--default-non-nullable=false"
    )
    assert "warn" not in said.lower(), said
    shutil.copy(HERE / "journey.ts", made)
    return made


@pytest.fixture(scope="module")
def compiled(node_tool, folder):
    node_tool("tsc", *STRICT, "journey.ts", cwd=folder)
    return folder / "journey.js"


def test_typescript_client_makes_the_journey(compiled, platform):
    said = run(["node", compiled, platform.base, CLIP, PASSWORD, "hedy"])
    assert said.splitlines()[-1] == "the journey is done", said


def test_a_wrong_value_does_not_compile(node_tool, folder, compiled):
    """The types say something: a program that sends a number for a title is refused by the compiler."""
    wrong = (folder / "journey.ts").read_text().replace('title: "Other"', "title: 7")
    (folder / "wrong.ts").write_text(wrong)
    said = node_tool("tsc", *STRICT, "--noEmit", "wrong.ts", cwd=folder, status=2)
    assert "is not assignable to type 'string" in said
