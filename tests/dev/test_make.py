"""The Makefile: quick the second time, and clear when something is missing."""

import os
import shutil
import signal
import subprocess
import time

import pytest

from dev.marks import find_marked
from tests.dev.copies import ROOT
from tests.patience import patience


@pytest.fixture
def checkout(tmp_path):
    """A folder with the Makefile and lock files, but no virtual environment."""
    for name in ("Makefile", "requirements.txt", "dev/requirements.txt", "tests/requirements.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def make(folder, *arguments):
    return subprocess.run(
        ["make", *arguments], cwd=folder, capture_output=True, text=True, timeout=patience(60)
    )


def test_a_missing_python_is_said_with_the_remedy(checkout):
    answer = make(checkout, "install", "PYTHON=/nowhere/python3.11")
    assert answer.returncode != 0
    assert "Marquee needs Python 3.11 or newer" in answer.stderr
    assert not (checkout / ".venv").exists()


def test_a_python_without_venv_is_said_with_the_debian_package(checkout):
    bare = checkout / "python"
    bare.write_text('#!/bin/sh\ncase "$*" in *venv*) exit 1;; esac\n')  # as Debian's python3 alone
    bare.chmod(0o755)
    answer = make(checkout, "install", f"PYTHON={bare}")
    assert answer.returncode != 0
    assert "apt-get install python3-venv" in answer.stderr


def test_nothing_is_installed_twice(checkout):
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "installed").touch()
    begin = time.monotonic()
    answer = make(checkout, "install")
    assert answer.returncode == 0 and "Installing" not in answer.stdout
    assert time.monotonic() - begin < patience(3)


def test_new_pins_are_installed(checkout):
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "installed").touch()
    os.utime(checkout / ".venv" / "installed", (0, 0))
    answer = make(checkout, "--dry-run", "install")
    assert "--require-hashes" in answer.stdout


def test_every_target_is_in_the_help():
    listed = make(ROOT, "help").stdout
    for target in ("help", "install", "run", "test", "lint", "bench", "demo", "lock"):
        assert f"make {target} " in listed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_make_alone_ends_the_platform(tmp_path, number):
    options = f"ARGS=--parts mongo --data-dir {tmp_path / 'data'}"
    # Who was started in the background of a shell ignores SIGINT, and so would all below.
    command = ["env", "--default-signal=INT,HUP", "make", "--directory", str(ROOT)]
    command += ["--assume-old=.venv/installed", "run", options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as run:
        assert any(line.startswith("ready: ") for line in run.stdout)
        run.send_signal(number)
        assert "stopped\n" in run.stdout.readlines()
    assert find_marked(tmp_path / "data") == []
