"""What the person at the terminal sees: one line per event, named by its part, in colour on a tty."""

import os
import sys
from pathlib import Path
from typing import TextIO

COLOURS = {"cloudinary": 35, "beat": 34, "worker": 33, "api": 32, "demo": 36}
WIDTH = 10


class Console:
    """Writes lines; goes silent when nobody reads them any more."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self.colour = self.out.isatty() and not os.environ.get("NO_COLOR")
        self.broken = False

    def say(self, text: str, name: str = "") -> None:
        """Write one line, after the name of the part it is from."""
        if name:
            label = f"{name:<{WIDTH}} | "
            text = f"\033[{COLOURS.get(name, 37)}m{label}\033[0m{text}" if self.colour else label + text
        try:
            if not self.broken:
                print(text, file=self.out, flush=True)
        except OSError:
            self.broken = True


class Follower:
    """Reads what is added to a log file, complete lines only."""

    def __init__(self, name: str, log: Path, start: int) -> None:
        self.name, self.log, self.position = name, log, start

    def lines(self) -> list[str]:
        """Return the lines since the last call."""
        with self.log.open("rb") as file:
            file.seek(self.position)
            text = file.read(1024 * 1024)
        end = text.rfind(b"\n") + 1
        self.position += end
        return text[:end].decode(errors="replace").splitlines()
