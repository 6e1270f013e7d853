"""CONTRIBUTING.md's "add a resource", followed step by step with the very file that stands there."""

import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

import schemas
from assembly import create_app
from machine.declare.registry import Registry
from tests.conftest import Client, empty

ROOT = Path(__file__).parent.parent
FILE = re.search(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL).group(1)


@pytest.fixture(scope="module")
def app(settings, tmp_path_factory):
    """An application with one more file among its schemas, and nothing else changed."""
    folder = tmp_path_factory.mktemp("schemas")
    (folder / "shelves.py").write_text(FILE)
    package = types.ModuleType("schemas")
    package.__path__ = [*schemas.__path__, str(folder)]
    schemas.__path__.append(str(folder))
    app = create_app(settings, Registry.load(package))
    empty(app)
    yield app
    schemas.__path__.remove(str(folder))
    sys.modules.pop("schemas.shelves", None)
    app.services.close()


@pytest.fixture(scope="module")
def shelf(app, alice):
    return alice.post("/shelves", {"title": "first", "visibility": "public"}).json


def test_file_is_at_most_thirty_lines():
    assert len(FILE.splitlines()) <= 30


def test_create_read_change_replace_delete(app, alice):
    made = alice.post("/shelves", {"title": "mine"})
    assert made.status_code == 201 and made.json["visibility"] == "public"
    path = f"/shelves/{made.json['_id']}"
    assert alice.patch(path, {"title": "changed"}, made.json["_etag"]).json["title"] == "changed"
    assert (
        alice.put(path, {"title": "replaced", "visibility": "private"}, "*").json["visibility"] == "private"
    )
    assert alice.delete(path).status_code == 204
    assert alice.get(path).status_code == 404


def test_stranger_reads_what_is_public_and_changes_nothing(app, alice, bob, shelf):
    assert bob.get(f"/shelves/{shelf['_id']}").status_code == 200
    assert bob.patch(f"/shelves/{shelf['_id']}", {"title": "his"}).status_code == 403
    private = alice.post("/shelves", {"title": "secret", "visibility": "private"}).json
    assert bob.get(f"/shelves/{private['_id']}").status_code == 404
    assert bob.post("/shelves", {"title": "inside", "shelf": private["_id"]}).status_code == 422


def test_links_lead_below_and_counter_follows(app, alice, shelf):
    below = shelf["_links"]["shelves"]["href"]
    inside = alice.post(below, {"title": "inside"})
    assert inside.status_code == 201 and inside.json["shelf"] == shelf["_id"]
    assert alice.get(f"/shelves/{shelf['_id']}").json["counters"]["shelves"] == 1
    assert [one["title"] for one in alice.get(below).json["_items"]] == ["inside"]


def test_lists_page_by_cursor(app, alice):
    for number in range(5):
        alice.post("/shelves", {"title": f"page {number}"})
    seen, path = [], "/shelves?max_results=2"
    while path:
        page = alice.get(path).json
        seen += [one["_id"] for one in page["_items"]]
        path = page["_links"].get("next", {}).get("href")
    assert len(seen) == len(set(seen)) >= 5


def test_owner_is_embedded_by_his_own_policy(app, alice, shelf):
    owner = alice.get(f"/shelves/{shelf['_id']}?embedded=owner").json["owner"]
    assert owner["username"] == "alice" and "email" not in owner


def test_openapi_has_it(app):
    paths = Client(app).get("/openapi.json").json["paths"]
    assert {"/api/v1/shelves", "/api/v1/shelves/{shelf}/shelves"} <= set(paths)


def test_anonymous_read_may_be_kept(app, shelf):
    assert "public" in Client(app).get(f"/shelves/{shelf['_id']}").headers["Cache-Control"]


@pytest.mark.slow
def test_generated_tests_take_it_in(tmp_path):
    """In a copy of the tree with this one file added, the generated tests know it and pass."""
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in tracked.splitlines():
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "schemas/shelves.py").write_text(FILE)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "tests/test_policy.py",
        "-k",
        "shelves",
        "-p",
        "no:cacheprovider",
    ]
    ran = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", ran.stdout).group(1)) >= 20
