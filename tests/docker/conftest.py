"""What a deployment is made of, started by hand: databases, and API processes as an image runs them."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from dev.datadir import free_port
from dev.stack import Stack
from tests.patience import patience, wait_until

ROOT = Path(__file__).resolve().parents[2]
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    """MongoDB and Valkey with the indexes built; the variables of a deployment."""
    with Stack(tmp_path_factory.mktemp("deployed"), parts=("mongo", "redis")) as stack:
        environ = {**os.environ, **stack.env}
        subprocess.run([sys.executable, "run.py", "db", "migrate"], cwd=ROOT, env=environ, check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        yield environ


class Served:
    """One `run.py serve`, ended with the `with`."""

    def __init__(self, environ, folder, *options):
        self.port, self.output = free_port(), Path(folder) / "serve.log"
        command = [sys.executable, "run.py", "serve", "--port", str(self.port), "--workers", "1", *options]
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=out, stderr=out)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        until(lambda: status(self.url + "/readyz") == 200, 60, self.output)
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.terminate()
            try:
                self.process.wait(patience(45))
            except subprocess.TimeoutExpired:
                self.process.kill()


def status(url, headers=None):
    """Return the status of a GET, None when nobody answers."""
    try:
        with DIRECT.open(urllib.request.Request(url, headers=headers or {}), timeout=patience(5)) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def until(condition, seconds, log=None):
    """Poll until true; fail with the log otherwise."""
    wait_until(condition, seconds, log.read_text if log else "timed out")
