"""Find the promises and try each in a process of its own, which cannot harm the next and is ended when it hangs."""

import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.patience import patience
from tests.prove import promises
from tests.prove.row import Row

ROOT = Path(__file__).resolve().parents[2]
GROUPS = ("faults", "races", "upgrade", "load", "attacks")
LIMIT_SECONDS = {True: 180, False: 1500}


def names():
    """Return the names of all promises, in the order of the report."""
    found = [one.name for one in pkgutil.iter_modules(promises.__path__) if not one.name.startswith("_")]
    return sorted(found, key=lambda name: (GROUPS.index(group_of(name)), name))


def group_of(name):
    """Return the group of the report that a promise's first word names."""
    return name.partition("_")[0]


def attempt(name, quick, environ=None):
    """Try a promise; return (its rows, seconds, what it printed)."""
    with tempfile.TemporaryDirectory() as folder:
        file, log = Path(folder) / "rows.json", Path(folder) / "log"
        command = [sys.executable, "-m", "tests.prove.one", name, str(file), *(["quick"] if quick else [])]
        began = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **(environ or {})}, start_new_session=True,
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
            said = wait(
                process,
                patience(LIMIT_SECONDS[quick]) + 90 * float((environ or {}).get("PROVE_SOAK_MINUTES", 0)),
            )
        took, text = time.monotonic() - began, log.read_text(errors="replace")
        if file.exists():
            return [Row(**row) for row in json.loads(file.read_text())], took, text
    return [Row(name, "ended without a word", 0, 0, "", False, said)], took, text


def wait(process, seconds):
    """Wait for a process and say how it ended; one that takes too long tells where it stands, and is ended."""
    try:
        return f"exit status {process.wait(seconds)}"
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGUSR1)
        time.sleep(1)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return f"not done after {seconds} s"
    except BaseException:
        process.terminate()
        process.wait(60)
        raise
