"""Tables of the commands that describe declarations."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def make_table(*headings: str) -> "Table":
    """Return an empty table."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=heading in ("resource", "field", "action", "method", "path"))
    return table


def make_console() -> "Console":
    """Return a console as wide as the terminal, or wide enough for a file or a pipe."""
    import sys

    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 180, highlight=False)
