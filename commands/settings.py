"""`run.py settings`: explains every variable."""

from dataclasses import fields

import click


def table() -> str:
    """Return the Markdown table of all variables, as docs/configuration.md holds it."""
    from settings import Settings

    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for item in fields(Settings):
        facts = item.metadata
        default = ", ".join(item.default) if isinstance(item.default, tuple) else str(item.default)
        default = {"True": "on", "False": "off"}.get(default, default)
        shown = (
            "for development only" if facts["secret"] and default else f"`{default}`" if default else "none"
        )
        notes = [facts["about"], f"In {facts['unit']}." if facts["unit"] else ""]
        notes += ["Required in production." if facts["required"] else ""]
        notes += [
            f"Also read from the file that `{item.name.upper()}_FILE` names." if facts["secret"] else ""
        ]
        rows.append(f"| `{item.name.upper()}` | {shown} | {' '.join(note for note in notes if note)} |")
    return "\n".join(rows)


@click.command()
def cli() -> None:
    """Explain every variable that Marquee reads, as a Markdown table."""
    click.echo(table())
