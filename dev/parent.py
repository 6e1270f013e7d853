"""Notice that the `make` which runs us was told to stop.

GNU make answers a SIGINT of its own by waiting for its children, whom it does not tell: a terminal would have. And
when it is killed, nobody tells us either. Linux only; elsewhere nothing is noticed.
"""

import os
import signal
from pathlib import Path


class Parent:
    """The process that started us, if it is make."""

    def __init__(self) -> None:
        self.pid = os.getppid()
        self.is_make = read_status(self.pid).get("Name") in ("make", "gmake")
        self.caught_interrupts = catches(self.pid, signal.SIGINT)

    def is_stopping(self) -> bool:
        """Tell whether it is gone, or has dropped its way of catching SIGINT, as it does once it got one."""
        if not self.is_make:
            return False
        return os.getppid() != self.pid or (self.caught_interrupts and not catches(self.pid, signal.SIGINT))


def read_status(pid: int) -> dict[str, str]:
    """Read what Linux says of a process; empty when it says nothing."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def catches(pid: int, number: int) -> bool:
    """Tell whether a process has a handler for a signal."""
    return bool(int(read_status(pid).get("SigCgt", "0"), 16) >> (number - 1) & 1)
