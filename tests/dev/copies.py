"""Copies of `run.py up` as a person would start them, for the tests of the supervisor."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from dev import marks
from tests.patience import patience, wait_until

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = ("MONGO_URI", "REDIS_URL", "CLOUDINARY_URL")


class Copy:
    """One `run.py up` with its output in a file; ended, with all its parts, on leaving the `with`."""

    def __init__(self, data_dir, *options, parts="mongo,redis", demo=False, environ=None):
        self.data_dir, self.output = Path(data_dir), Path(f"{data_dir}.out")
        inherited = {key: value for key, value in os.environ.items() if key not in FOREIGN}
        command = [sys.executable, "run.py", "up", "--data-dir", str(data_dir), *options]
        command += [] if demo else ["--no-demo"]
        with self.output.open("ab") as out:
            self.start = out.tell()
            self.process = subprocess.Popen(
                [*command, *(["--parts", parts] if parts else [])],
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env={**inherited, **(environ or {})},
            )

    def text(self):
        return self.output.read_bytes()[self.start :].decode()

    def wait_for(self, pattern, seconds=60):
        """Poll the output until the pattern shows; fail with all of it otherwise."""

        def shown():
            ended = self.process.poll() is not None
            found = re.search(pattern, self.text())
            assert found or not ended, self.text()
            return found

        return wait_until(shown, seconds, self.text)

    def end(self, number=signal.SIGINT):
        """Signal the supervisor and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(patience(60))

    def env(self):
        return dict(line.split("=", 1) for line in (self.data_dir / "env").read_text().splitlines())

    def pids(self, part=""):
        return marks.find_marked(self.data_dir, part)

    def kill(self, part):
        """Send SIGKILL to all processes of a part as soon as there are any; return their pids."""
        pids = []
        until(lambda: pids.extend(self.pids(part)) or pids)
        marks.send(pids, signal.SIGKILL)
        return pids

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.end(signal.SIGTERM)
        marks.end_marked(self.data_dir)


def until(condition, seconds=20):
    """Poll until true."""
    return wait_until(condition, seconds)
