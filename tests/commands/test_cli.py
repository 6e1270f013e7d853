"""The command line: quick help, one-sentence errors, exit status 1 for trouble and 2 for misuse."""

import subprocess
import sys
import time

from dev.datadir import free_port
from dev.parts import answers
from tests.dev.copies import ROOT, until
from tests.patience import patience


def run(*arguments):
    return subprocess.run(
        [sys.executable, "run.py", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=patience(60)
    )


def test_help_lists_the_commands_with_examples_and_is_quick():
    begin = time.monotonic()
    answer = run("--help")
    assert answer.returncode == 0
    assert "Examples:" in answer.stdout and "Bring the whole platform up" in answer.stdout
    assert time.monotonic() - begin < patience(2)


def test_help_imports_no_command():
    code = "import run, sys; run.cli(['--help'], standalone_mode=False); print([m for m in sys.modules if m in ('pymongo', 'flask', 'commands.up')])"  # noqa: E501
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert answer.stdout.splitlines()[-1] == "[]", answer.stderr


def test_an_unknown_command_is_a_usage_error():
    answer = run("fly")
    assert answer.returncode == 2
    assert "No such command" in answer.stderr


def test_an_unknown_part_is_a_usage_error_that_names_the_parts():
    answer = run("up", "--parts", "mango")
    assert answer.returncode == 2
    assert "unknown part 'mango'" in answer.stderr and "mongo" in answer.stderr


def test_a_data_directory_without_a_copy_is_one_sentence(tmp_path):
    answer = run(
        "users", "create", "--username", "ada", "--email", "a@example.org", "--password", "long enough",
        "--data-dir", str(tmp_path),
    )  # fmt: skip
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1 and "not the data directory of a copy" in answer.stderr


def test_media_runs_the_local_cloudinary_alone_until_a_signal(tmp_path):
    port = free_port()
    account = ["--cloud", "demo", "--key", "1234", "--secret", "abcd"]
    command = [sys.executable, "run.py", "media", "--port", str(port), "--data-dir", str(tmp_path), *account]
    with subprocess.Popen(command, cwd=ROOT) as media:
        until(lambda: answers(f"http://127.0.0.1:{port}/healthz"))
        media.terminate()
        assert media.wait(patience(20)) == 0
