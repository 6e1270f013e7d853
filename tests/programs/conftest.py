"""One running platform for all clients, its document as a file, and the tools that read it."""

import os
import shutil
import subprocess
import sys

import pytest
import requests

from tests.patience import patience
from tests.platform import ROOT, Platform

TOOLS = ROOT / "tests" / "tools" / ".venv" / "bin"
NODE = ROOT / "tests" / "node" / "node_modules"
ADMIN = "root-of-all"


@pytest.fixture(scope="package")
def platform(tmp_path_factory):
    with Platform(tmp_path_factory.mktemp("clients"), ACCESS_TOKEN_SECONDS="86400") as running:
        yield running


@pytest.fixture(scope="package")
def document(platform, tmp_path_factory):
    """Return the file of the document that the running copy serves."""
    answer = requests.get(f"{platform.base}/openapi.json", timeout=patience(20))
    assert answer.status_code == 200
    file = tmp_path_factory.mktemp("document") / "openapi.json"
    file.write_bytes(answer.content)
    return file


@pytest.fixture(scope="package")
def tool():
    """Return a function that runs one of the tools of tests/tools and returns what it printed."""
    if not TOOLS.exists():
        pytest.skip("make tests/tools/.venv/installed has not been run")
    path = {"PATH": f"{TOOLS}:{os.environ['PATH']}"}
    return lambda name, *words, **more: run([TOOLS / name, *words], env=path, **more)


@pytest.fixture(scope="package")
def node_tool():
    """Return a function that runs a program of tests/node and returns what it printed."""
    if not shutil.which("node") or not NODE.exists():
        pytest.skip("there is no npm to install the programs of tests/node with")
    return lambda name, *words, **more: run([NODE / ".bin" / name, *words], **more)


@pytest.fixture(scope="package")
def admin(platform):
    """Return an administrator of the running copy, appointed as the first one is: by the command line."""
    from tests.platform import PASSWORD, Person

    words = [
        "--username",
        ADMIN,
        "--email",
        f"{ADMIN}@example.org",
        "--password",
        PASSWORD,
        "--role",
        "admin",
    ]
    run([sys.executable, "run.py", "users", "create", *words], cwd=ROOT, env=platform.environ)
    answer = platform.call("POST", "/auth/login", json={"login": ADMIN, "password": PASSWORD})
    return Person(platform, answer.json()["access_token"])


def run(command, status=0, **more):
    """Run a command to its end; it fails the test unless it ends with this status."""
    more.setdefault("timeout", patience(240))
    more["env"] = {**os.environ, "NO_COLOR": "1", "CI": "1", **more.get("env", {})}
    done = subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more
    )
    assert done.returncode == status, f"{command} ended with {done.returncode}:\n{done.stdout[-6000:]}"
    return done.stdout
