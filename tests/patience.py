"""How long to wait for what takes so many seconds on a machine that is quick and idle.

A yardstick, a process as far behind as the slowest of ours (`BEHIND`), does the same piece of work every other second.
How much longer than on such a machine it takes just now is how much longer all deadlines are: a wait is long where the
machine is slow, and a test that fails has found something. What comes ends its wait at once, so patience costs nothing.

Run as a script, it is the yardstick: `patience.py FILE`.
"""

import atexit
import contextlib
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

# Seconds of the work on one idle core of the machine that the deadlines were written for.
REFERENCE = 0.02
PAUSE_SECONDS = 2.0
# The slowest of so many turns counts, since a moment of quiet says little.
TURNS = 5
MOST = 30.0
STATE = struct.Struct(
    "ddd"
)  # when its turn began (0: it rests), seconds of the slowest of the last turns, turns


class Yardstick:
    """The process that measures, started when somebody first waits."""

    def __init__(self):
        self.file, self.path, self.process = None, None, None

    def factor(self):
        """Return how much slower than it should be the machine is now, at least 1."""
        if self.process is None or self.process.poll() is not None:
            self.start()
        began, slowest, _ = STATE.unpack(os.pread(self.file, STATE.size, 0))
        lasting = time.monotonic() - began if began else 0.0
        return min(MOST, max(1.0, max(slowest, lasting) / REFERENCE))

    def start(self):
        """Start it and wait for its first turn, a tenth of a second of a quick machine."""
        from cloudinary_local.launch import launcher
        from dev.parts import BEHIND

        self.file, self.path = tempfile.mkstemp(prefix="yardstick")
        os.pwrite(self.file, STATE.pack(0, 0, 0), 0)
        command = [*launcher(0, BEHIND), sys.executable, "-I", "-S", __file__, self.path]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        atexit.register(self.stop)
        while not STATE.unpack(os.pread(self.file, STATE.size, 0))[2]:
            assert self.process.poll() is None, "the yardstick did not start"
            time.sleep(0.01)

    def stop(self):
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            Path(self.path).unlink()


YARDSTICK = Yardstick()


def patience(seconds):
    """Return for how long to wait now for what takes at most so many seconds where nothing is slow."""
    return seconds * YARDSTICK.factor()


class Deadline:
    """So many seconds of a quick machine. A second in which the machine is ten times slower counts a tenth."""

    def __init__(self, seconds):
        self.left, self.last = seconds, time.monotonic()

    def over(self):
        """Tell whether they have passed; ask again and again while waiting."""
        now = time.monotonic()
        self.left -= (now - self.last) / YARDSTICK.factor()
        self.last = now
        return self.left < 0


def wait_until(condition, seconds, said="it did not come true", pause=0.05):
    """Return the first true answer of a condition; fail with `said` (text or a function of it) at the deadline."""
    deadline = Deadline(seconds)
    while not (found := condition()):
        assert not deadline.over(), said() if callable(said) else said
        time.sleep(pause)
    return found


def work():
    """Do what takes REFERENCE seconds of a core."""
    return sum(range(1_300_000))


def measure(file, parent):
    """Work and rest for as long as the parent lives, and tell how long the work took."""
    turns, count = deque(maxlen=TURNS), 0
    while os.getppid() == parent:
        began = time.monotonic()
        os.pwrite(file, STATE.pack(began, max(turns, default=0), count), 0)
        work()
        turns.append(time.monotonic() - began)
        count += 1
        os.pwrite(file, STATE.pack(0, max(turns), count), 0)
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    measure(os.open(sys.argv[1], os.O_RDWR), os.getppid())
