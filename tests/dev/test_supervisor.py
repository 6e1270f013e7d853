"""`run.py up`: it starts, says what is wrong, survives crashes, and leaves nothing behind."""

import signal
import socket
import subprocess
import sys

import pytest
from pymongo import MongoClient

from dev import parts
from dev.client import Client
from dev.datadir import free_port
from tests.dev.copies import ROOT, Copy, until
from tests.patience import patience


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


def count(copy):
    with MongoClient(copy.env()["MONGO_URI"]) as client:
        return client.get_default_database().things.count_documents({})


def add(copy):
    with MongoClient(copy.env()["MONGO_URI"], w="majority", journal=True) as client:
        client.get_default_database().things.insert_one({})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_every_process_and_leaves_no_lock(data_dir, number):
    with Copy(data_dir) as copy:
        copy.wait_for("ready: ")
        assert copy.pids("mongo") and copy.pids("redis")
        assert copy.end(number) == 0
        assert copy.pids() == []
        assert not (data_dir / "lock").exists()


def test_a_signal_during_the_start_leaves_no_process(data_dir):
    with Copy(data_dir) as copy:
        copy.wait_for("data and logs: ")
        assert copy.end() == 0
        assert copy.pids() == []


def test_a_data_directory_in_use_is_refused_with_the_pid_of_its_owner(data_dir):
    with Copy(data_dir) as first:
        first.wait_for("ready: ")
        with Copy(data_dir) as second:
            assert second.process.wait(patience(30)) == 1
            assert f"belongs to a running copy (pid {first.process.pid})" in second.text()
            assert first.pids("mongo"), "the refused copy ended the parts of the running one"
            second.data_dir = data_dir.with_name("none")  # leaving must not end the first copy's parts


def test_a_taken_port_is_said_before_anything_starts(data_dir):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Copy(data_dir, "--port", str(port), parts="") as copy:
            assert copy.process.wait(patience(30)) == 1
            assert f"Port {port} on 127.0.0.1 is taken" in copy.text()
            assert "Traceback" not in copy.text()
            assert not (data_dir / "logs" / "mongo.log").exists()


def test_a_data_directory_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with Copy(tmp_path / "data", "--data-dir", str(tmp_path / "file" / "data")) as copy:
        assert copy.process.wait(patience(30)) == 1
        assert "cannot be written (Not a directory)" in copy.text()
        assert "Traceback" not in copy.text()


def test_secrets_are_readable_by_their_owner_only(data_dir):
    with Copy(data_dir) as copy:
        copy.wait_for("ready: ")
        for name in ("env", "secrets.json", "ports.json"):
            assert (data_dir / name).stat().st_mode & 0o077 == 0
        assert data_dir.stat().st_mode & 0o077 == 0


def test_data_and_secrets_survive_a_restart(data_dir):
    with Copy(data_dir) as copy:
        copy.wait_for("ready: ")
        add(copy)
        before = copy.env()
        copy.end()
    with Copy(data_dir) as copy:
        copy.wait_for("ready: ")
        assert count(copy) == 1
        assert copy.env() == before


def test_kill_9_of_the_supervisor_and_a_new_start_recovers(data_dir):
    with Copy(data_dir) as copy:
        copy.wait_for("ready: ")
        add(copy)
        copy.process.kill()
        copy.process.wait(patience(10))
        with Copy(data_dir) as again:
            again.wait_for("ready: ")
            assert count(again) == 1
            assert len(again.pids("mongo")) == len(again.pids("redis")) == 1
            assert again.end() == 0
            assert again.pids() == []


def test_kill_9_of_the_supervisor_takes_the_parts_down(data_dir):
    with Copy(data_dir) as copy:
        copy.wait_for("ready: ")
        copy.process.kill()
        copy.process.wait(patience(10))
        until(lambda: copy.pids() == [])


def test_two_copies_run_side_by_side(tmp_path):
    with Copy(tmp_path / "one") as one, Copy(tmp_path / "two") as two:
        one.wait_for("ready: ")
        two.wait_for("ready: ")
        add(one)
        assert (count(one), count(two)) == (1, 0)
        assert one.end() == 0
        add(two)
        assert count(two) == 1


def test_the_end_of_mongodb_ends_everything_and_names_its_log(data_dir):
    with Copy(data_dir) as copy:
        copy.wait_for("ready: ")
        copy.kill("mongo")
        assert copy.process.wait(patience(30)) == 1
        assert f"mongo ended with signal 9; its log is {data_dir}/logs/mongo.log" in copy.text()
        assert copy.pids() == []


def answers(port, path):
    return parts.answers(f"http://127.0.0.1:{port}{path}")


def start_platform(data_dir, *names):
    port = free_port()
    return port, Copy(data_dir, "--port", str(port), parts=",".join(names))


def test_the_ready_line_comes_once_and_the_api_answers_then(data_dir):
    port, copy = start_platform(data_dir, "mongo", "redis", "api")
    with copy:
        where = f"http://127.0.0.1:{port}"
        copy.wait_for(rf"(?m)^ready: {where}/api/v1/ \(docs: {where}/docs\)$")
        assert answers(port, "/readyz") and answers(port, "/api/v1/")
        assert copy.end() == 0
        assert copy.text().count("ready: ") == 1
        assert copy.pids() == []


def test_a_killed_api_is_started_again_and_says_so(data_dir):
    port, copy = start_platform(data_dir, "mongo", "redis", "api")
    with copy:
        copy.wait_for("ready: ")
        first = copy.kill("api")
        copy.wait_for(r"api ended with signal 9; started again \(1\)")
        until(lambda: answers(port, "/readyz") and not set(first) & set(copy.pids("api")))
        assert copy.end() == 0
        assert copy.pids() == []


def test_a_part_that_keeps_dying_ends_everything(data_dir):
    with Copy(data_dir, parts="mongo,cloudinary") as copy:
        copy.wait_for("ready: ")
        for number in range(1, 6):
            copy.kill("cloudinary")
            copy.wait_for(rf"cloudinary ended with signal 9; started again \({number}\)")
        copy.kill("cloudinary")
        assert copy.process.wait(patience(30)) == 1
        assert "cloudinary ended with signal 9; its log is" in copy.text()
        assert copy.pids() == []


def test_the_first_administrator_is_made_on_a_running_copy_and_can_sign_in(data_dir):
    port, copy = start_platform(data_dir, "mongo", "redis", "api")
    with copy:
        copy.wait_for("ready: ")
        command = [sys.executable, "run.py", "users", "create", "--data-dir", str(data_dir)]
        command += ["--username", "dana", "--email", "dana@example.org", "--password", "long-enough-words"]
        made = subprocess.run([*command, "--role", "admin"], cwd=ROOT, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        client = Client(f"http://127.0.0.1:{port}").sign_in("dana", "long-enough-words")
        assert client.call("GET", "/me")["role"] == "admin"
        again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert again.returncode == 1
        assert again.stderr == "Error: username is not unique\n"
