"""The command line of Marquee, `app` for WSGI servers (`granian --interface wsgi run:app`), `streams` for ASGI ones."""

import importlib
import sys
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from flask import Flask

    from machine.streams.asgi import StreamServer

COMMANDS = {
    "up": "Bring the whole platform up in the foreground.",
    "serve": "Serve the API alone, as a deployment does.",
    "streams": "Serve event streams alone, thousands of them.",
    "demo": "Tour a running copy through its API.",
    "media": "Run the local Cloudinary alone.",
    "users": "Create accounts, administrators too.",
    "db": "Build indexes, check the database.",
    "lint": "Check every resource declaration.",
    "policy": "Show what the declarations mean.",
    "routes": "List every endpoint.",
    "openapi": "Write the API document, a Postman collection.",
    "counters": "Recount, report drift, repair.",
    "jobs": "List, retry and cancel jobs.",
    "keys": "Rotate the signing keys.",
    "mail": "Read the mails of development.",
    "settings": "Explain every variable.",
    "seed": "Fill a copy with bulk data.",
    "backup": "Write the database to a file.",
    "restore": "Read the database from a file.",
    "shell": "Open a Python shell on the services.",
}
EXAMPLES = """\b
Examples:
  python run.py up                          everything, at http://127.0.0.1:8000
  python run.py up --port 8001 --data-dir second --no-demo
  python run.py demo                        a tour of the copy that runs
  python run.py users create --username ada --email ada@example.org --password ... --role admin
"""


class LazyGroup(click.Group):
    """A group that imports the module of a command only when that command is used."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Name the commands that this copy has."""
        return [name for name in COMMANDS if find_spec(f"commands.{name}")]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import one command; None when there is no such."""
        if name not in self.list_commands(context):
            return None
        from commands._epilog import explain

        command: click.Command = importlib.import_module(f"commands.{name}").cli
        return explain(command, name)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(context)])


@click.group(cls=LazyGroup, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Marquee: a video platform that is declared, not coded."""


def __getattr__(name: str) -> Any:
    """Build what a server asks for when it first does; the command line never needs it."""
    built = {"app": build_app, "streams": build_streams}.get(name)
    if built is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return built()


@cache
def build_app() -> "Flask":
    """Make the application from the environment; bad settings end the process with one sentence."""
    from assembly import create_app
    from machine.edge.shed import Gate
    from settings import BadSettings, Settings

    # A read that has heard from a database waits this long at most for each thread that computes (Python: 5 ms).
    sys.setswitchinterval(0.001)
    try:
        settings = Settings.from_env()
        app = create_app(settings)
        app.wsgi_app = Gate(app.wsgi_app, settings.api_threads)
        return app
    except BadSettings as error:
        sys.exit(str(error))


@cache
def build_streams() -> "StreamServer":
    """Make the server of event streams from the environment."""
    from assembly import create_app
    from machine.streams.asgi import StreamServer
    from settings import BadSettings, Settings

    try:
        settings = Settings.from_env()
    except BadSettings as error:
        sys.exit(str(error))
    return StreamServer(create_app(settings), settings.stream_places)


def main() -> None:
    """Run the command line: a known trouble is one sentence on stderr and exit status 1."""
    from settings import BadSettings

    try:
        cli()
    except BadSettings as error:
        click.echo(str(error), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
