"""Try one promise in a process of its own: `python -m tests.prove.one NAME FILE [quick]` leaves its rows in FILE."""

import faulthandler
import importlib
import json
import signal
import sys
import traceback
from pathlib import Path

from tests.prove.row import Row, as_rows


def try_promise(name, quick):
    """Return the rows of a promise; one that ends in an error is broken."""
    module = importlib.import_module(f"tests.prove.promises.{name}")
    try:
        return as_rows(module.run(quick))
    except Exception as error:
        traceback.print_exc()
        said = " ".join(f"{type(error).__name__}: {error}".split())
        return [Row(module.__doc__.splitlines()[0], "stopped by an error", 0, 0, "", False, said[:400])]


def main(name, file, *words):
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    # Being ended is an error like others: what was started is ended too.
    signal.signal(signal.SIGTERM, lambda *told: sys.exit(128 + signal.SIGTERM))
    rows = try_promise(name, "quick" in words)
    Path(file).write_text(json.dumps([row.as_json() for row in rows]))


if __name__ == "__main__":
    main(*sys.argv[1:])
