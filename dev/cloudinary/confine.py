"""Run a program that ends with its parent, at low priority and within limits of size and time.

Started as a script, before the program itself, so that nothing runs between fork and exec in a
process with threads: `confine.py PARENT_PID FILE_BYTES CPU_SECONDS PROGRAM [ARGUMENT ...]`.
"""

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Apply the limits, then become the program."""
    parent, file_bytes, cpu_seconds = (int(one) for one in arguments[:3])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(1)
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.execv(arguments[3], arguments[3:])


if __name__ == "__main__":
    main(sys.argv[1:])
