"""Find every process of a stack, grandchildren and strays included, by a variable in its environment."""

import os
import signal
import time
from pathlib import Path

STACK, PART = "MARQUEE_STACK", "MARQUEE_PART"


def find_marked(data_dir: Path, part: str = "") -> list[int]:
    """List the processes started for this data directory (and this part); empty where there is no /proc."""
    wanted = {f"{STACK}={data_dir}".encode()} | ({f"{PART}={part}".encode()} if part else set())
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        if pid != os.getpid() and wanted <= set(read_environ(entry).split(b"\0")):
            found.append(pid)
    return found


def read_environ(entry: Path) -> bytes:
    """Read a process's first environment; empty when it is gone, a zombie, or somebody else's."""
    try:
        return (entry / "environ").read_bytes()
    except OSError:
        return b""


def end_marked(data_dir: Path, part: str = "", patience: float = 0.0) -> int:
    """End all marked processes, by SIGTERM when there is patience (seconds), then SIGKILL; count them."""
    pids = find_marked(data_dir, part)
    if pids and patience:
        send(pids, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while find_marked(data_dir, part) and time.monotonic() < deadline:
            time.sleep(0.05)
    deadline, quiet = time.monotonic() + 10, 0
    while (
        quiet < 2 and time.monotonic() < deadline
    ):  # twice: one that execs shows no environment for a moment
        left = find_marked(data_dir, part)
        send(left, signal.SIGKILL)
        quiet = 0 if left else quiet + 1
        time.sleep(0.02)
    return len(pids)


def send(pids: list[int], number: int) -> None:
    """Signal processes that may be gone by now."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
