"""`--json`: every command that reports prints one JSON object per line, and says so in its help."""

import importlib
import json

import click
import pytest
from click.testing import CliRunner

from run import COMMANDS, cli
from tests.commands.test_jobs import end, kind, owe, run  # noqa: F401  fixtures

# They serve, stay in the foreground, write a document of a format that is asked for, or take over the terminal.
APART = {"up", "serve", "streams", "demo", "media", "shell", "openapi", "settings"}


def leaves(name, command):
    if isinstance(command, click.Group):
        for inner, one in command.commands.items():
            yield from leaves(f"{name} {inner}", one)
    else:
        yield name, command


EVERY = [leaf for name in COMMANDS for leaf in leaves(name, importlib.import_module(f"commands.{name}").cli)]


@pytest.mark.parametrize(("name", "command"), EVERY, ids=[name for name, _ in EVERY])
def test_command_that_reports_takes_json(name, command):
    options = {word for option in command.params for word in option.opts}
    assert ("--json" in options) != (name in APART)


@pytest.mark.parametrize("name", [name for name, _ in EVERY])
def test_help_of_every_command_is_a_sentence(name):
    said = CliRunner().invoke(cli, [*name.split(), "--help"])
    assert said.exit_code == 0 and "." in said.output.split("Options:")[0].replace("run.py", "")


def last(said):
    """Read the last line; what is logged in a test stands before it."""
    return json.loads(said.strip().splitlines()[-1])


def test_jobs_are_told_as_json(app, run, kind):  # noqa: F811
    dead = owe(app)
    end(app, dead, "dead")
    told = last(run("list", "--state", "dead", "--json"))
    assert told["_id"] == str(dead["_id"]) and told["error"]["code"] == "broken"
    assert last(run("show", dead["_id"], "--json"))["type"] == "test_command"
    retried = last(run("retry", dead["_id"], "--json"))
    assert retried == {"_id": str(dead["_id"]), "done": True, "told": "queued again"}
    assert last(run("drain", "--json")) == {"run": 1, "waiting": 0}


def test_lint_is_told_as_json():
    said = CliRunner().invoke(cli, ["lint", "--json"])
    assert said.exit_code == 0 and json.loads(said.output)["mistakes"] == []


def test_unknown_command_and_option_end_with_2():
    assert CliRunner().invoke(cli, ["nothing"]).exit_code == 2
    assert CliRunner().invoke(cli, ["jobs", "list", "--nothing"]).exit_code == 2
