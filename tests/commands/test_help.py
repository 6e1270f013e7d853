"""Every command of the command line says how it is used, with an example, and how it ends."""

import click
import pytest
from click.testing import CliRunner

from run import cli


def leaves(command, path):
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                yield from leaves(command.get_command(context, name), [*path, name])
    else:
        yield path


LEAVES = list(leaves(cli, []))


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_help_has_an_example_and_the_exit_statuses(path):
    told = CliRunner().invoke(cli, [*path, "--help"])
    assert told.exit_code == 0
    assert f"  python run.py {' '.join(path)}" in told.output and "Exit status: 0" in told.output


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_wrong_usage_ends_with_status_two(path):
    assert CliRunner().invoke(cli, [*path, "--nonsense"]).exit_code == 2
