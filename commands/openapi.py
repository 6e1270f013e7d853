"""`run.py openapi`: the document of the API, as JSON, YAML, a Postman collection or an `.http` file."""

from pathlib import Path

import click

FORMATS = ("json", "yaml", "postman", "http")


@click.command()
@click.option("--format", "form", type=click.Choice(FORMATS), default="json", show_default=True)
@click.option("--base", default="http://127.0.0.1:8000", show_default=True, help="Where the requests go.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
def cli(form: str, base: str, output: Path | None) -> None:
    """Write the document of the API, or requests made of it. Nothing has to run.

    \b
    Examples:
      python run.py openapi --format yaml
      python run.py openapi --format postman --output marquee.postman_collection.json
      python run.py openapi --format http --base https://videos.example.org > marquee.http
    """
    text = write(form, base)
    if output is None:
        click.echo(text)
    else:
        output.write_text(text)
        click.echo(f"{output} written, {len(text):,} characters", err=True)


def write(form: str, base: str) -> str:
    """Return the text in one of the formats."""
    from assembly import create_app
    from machine.openapi import FORMS, compile_document
    from machine.openapi.http_file import write_http
    from machine.openapi.postman import write_postman
    from settings import Settings

    document = compile_document(create_app(Settings.from_env(log_level="ERROR")))
    if form in ("postman", "http"):
        return {"postman": write_postman, "http": write_http}[form](document, base)
    return FORMS[form](document)
