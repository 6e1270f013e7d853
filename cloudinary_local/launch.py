"""Run a command that ends with its parent, as far behind and within such limits as it is given.

`launch.py PARENT_PID SIGNAL NICE FILE_BYTES CPU_SECONDS COMMAND [ARGUMENT ...]`; 0 leaves one as it is. A script of its
own, and not a function between fork and exec, because the parent has threads.
"""

import ctypes
import os
import resource
import sys
import time

PR_SET_PDEATHSIG = 1  # prctl(2)
# The weight of our session: Linux looks at it first, and at nice only among the processes of one (sched(7), autogroup).
SESSION = "/proc/self/autogroup"
TRIES, PAUSE_SECONDS = 3, 0.1


def launcher(death_signal: int, nice: int = 0, file_bytes: int = 0, cpu_seconds: int = 0) -> list[str]:
    """Return what to put before a command: its signal at our death, its place in the queue, the limits of its work."""
    facts = (os.getpid(), int(death_signal), nice, file_bytes, cpu_seconds)
    return [sys.executable, "-I", "-S", __file__, *map(str, facts)]


def main() -> None:
    """Ask for all that, then become the command."""
    parent, number, nice, file_bytes, cpu_seconds = map(int, sys.argv[1:6])
    command = sys.argv[6:]
    if sys.platform == "linux" and number:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it died before we asked
            sys.exit(1)
    if nice:
        step_behind(nice)
    for kind, most in ((resource.RLIMIT_FSIZE, file_bytes), (resource.RLIMIT_CPU, cpu_seconds)):
        if most:
            resource.setrlimit(kind, (most, most))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


def step_behind(nice: int) -> None:
    """Take a smaller share of the machine's time: by ourselves, and as the session that we begin."""
    os.nice(max(0, nice - os.getpriority(os.PRIO_PROCESS, 0)))
    if os.getsid(0) != os.getpid():
        return
    # Who is not root is told to try again when somebody else has just done the same.
    for _ in range(TRIES):
        try:
            with open(SESSION, "w") as session:
                session.write(str(nice))
            return
        except BlockingIOError:
            time.sleep(PAUSE_SECONDS)
        except OSError:
            return


if __name__ == "__main__":
    main()
