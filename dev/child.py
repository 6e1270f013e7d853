"""One process of the stack: its own process group, its own log file, and a clean end."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from cloudinary_local.launch import launcher
from dev import marks
from dev.errors import StackError

ROOT = Path(__file__).resolve().parent.parent
UNREADY_PATIENCE = 3
LOG_MAX_BYTES = 5 * 1024**2
MISSING_LIBRARY = re.compile(r"error while loading shared libraries: (\S+?):")
DEBIAN_PACKAGES = {
    "libcurl.so.4": "libcurl4",
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
    "liblzma.so.5": "liblzma5",
}


class Child:
    """A running part. `pid` is the part's own pid; `returncode` is None while it runs."""

    def __init__(
        self, name: str, command: list[str], environ: dict[str, str], data_dir: Path, nice: int = 0
    ) -> None:
        """Start the command, `nice` behind, with its output going to the data directory's `logs/<name>.log`."""
        self.name, self.data_dir, self.started = name, data_dir, time.monotonic()
        self.was_ready = False
        self.log = data_dir / "logs" / f"{name}.log"
        rotate(self.log)
        with self.log.open("ab") as output:
            self.log_start = output.tell()
            self.process = subprocess.Popen(
                [*launcher(death_signal(), nice), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env={**environ, marks.STACK: str(data_dir), marks.PART: name, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id; the launcher execs, so it is the command's own."""
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        return self.process.poll()

    def age(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.started

    def stop(self, patience: float) -> None:
        """Ask it to end, and after `patience` seconds make it; what never was ready has nothing to finish."""
        if self.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(patience if self.was_ready else min(patience, UNREADY_PATIENCE))
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.bury()

    def kill(self) -> None:
        """End it as a crash would: SIGKILL, no warning."""
        self.process.kill()
        self.bury()

    def bury(self) -> None:
        """Wait for its end and take what it left running with it."""
        self.process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        marks.end_marked(self.data_dir, self.name)

    def lines(self, last: int = 8) -> list[str]:
        """Read the last lines that this run has logged."""
        with self.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self.log_start, size - 64 * 1024))
            return log.read().decode(errors="replace").splitlines()[-last:]

    def explain_end(self) -> str:
        """Say in one sentence how it ended, and what to do where that is known."""
        code, text = self.returncode, "\n".join(self.lines(200))
        if missing := MISSING_LIBRARY.search(text):
            package = DEBIAN_PACKAGES.get(missing[1])
            remedy = f"install it with `apt-get install {package}`" if package else "install it"
            return f"{self.name} needs the library {missing[1]}, which is not on this machine: {remedy}."
        if "No space left on device" in text:
            return f"{self.name} ended because the disk that holds {self.data_dir} is full: free some space."
        if code == -signal.SIGILL and self.name == "mongo":
            return "mongo cannot run on this processor (no AVX): set MONGO_URI to a MongoDB elsewhere."
        return f"{self.name} ended with {self.how()}; its log is {self.log}."

    def how(self) -> str:
        """Name the signal or the exit status with which it ended."""
        code = self.returncode
        return f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"


def death_signal() -> int:
    """Choose the signal for when we die; none off the main thread, whose end Linux would take for ours."""
    return signal.SIGTERM if threading.current_thread() is threading.main_thread() else 0


def rotate(log: Path) -> None:
    """Set a log that has grown large aside, keeping one old file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_MAX_BYTES:
        log.replace(log.with_suffix(".log.1"))


def wait_until_ready(child: Child, is_ready: Callable[[], bool], seconds: float) -> float:
    """Poll until it is ready; return the seconds since it started; StackError when it ends or time is up."""
    while not is_ready():
        if child.returncode is not None:
            raise StackError(child.explain_end())
        if child.age() > seconds:
            raise StackError(f"{child.name} was not ready after {seconds:.0f} s; its log is {child.log}.")
        time.sleep(0.05)
    child.was_ready = True
    return child.age()
