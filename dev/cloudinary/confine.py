"""Run a program that ends with its parent, at low priority and within limits of size and time.

Started as a script, before the program itself, so that nothing runs between fork and exec in a
process with threads: `confine.py PARENT_PID FILE_BYTES CPU_SECONDS PROGRAM [ARGUMENT ...]`.
"""

import ctypes
import os
import resource
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1
_PRIORITY = 19
# Of a session, which is what Linux weighs first (sched(7), autogroup).
_SESSION = "/proc/self/autogroup"


def main(arguments: list[str]) -> None:
    """Apply the limits, then become the program."""
    parent, file_bytes, cpu_seconds = (int(one) for one in arguments[:3])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(1)
    step_behind()
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.execv(arguments[3], arguments[3:])


def step_behind() -> None:
    """Take the lowest part of the machine's time, in our session and with it."""
    os.nice(max(0, _PRIORITY - os.getpriority(os.PRIO_PROCESS, 0)))
    # Who is not root is told to try again when somebody else has just done the same.
    for _ in range(3):
        try:
            with open(_SESSION, "w") as session:
                session.write(str(_PRIORITY))
            return
        except BlockingIOError:
            time.sleep(0.1)
        except OSError:
            return


if __name__ == "__main__":
    main(sys.argv[1:])
