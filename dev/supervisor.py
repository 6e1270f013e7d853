"""Keep the whole platform running in the foreground: `python run.py up`.

MongoDB and Valkey hold the data: when one of them ends unasked, everything ends, with exit status 1. The
others keep nothing in memory that is not stored, so they are started again, loudly, and not without end.
"""

import re
import signal
import sys
import time
from collections import defaultdict
from types import FrameType
from typing import NoReturn

from dev.child import Child, wait_until_ready
from dev.console import Console, Follower
from dev.datadir import is_free
from dev.errors import StackError
from dev.parent import Parent
from dev.parts import PARTS
from dev.stack import SERVICES, Stack

TICK_SECONDS = 0.1
MOST_RESTARTS = 5
RESTART_WINDOW_SECONDS = 60
SHOWN = (
    "migrate",
    "cloudinary",
    "api",
    "worker",
    "beat",
    "demo",
)  # MongoDB and Valkey write to their logs only
PLATFORM = ("beat", "worker", "api")
# What happens every few seconds, and advice that was weighed and not taken, goes to the logs only.
ROUTINE = re.compile(
    r"Scheduler: Sending due task|Task marquee\.(?!run_job)\w+\[.*\] (received|succeeded)"
    r"|Configuration allows spawning up to"
)


class Stopped(BaseException):
    """A signal asked us to end."""


class Supervisor:
    """Starts a stack, watches it, and ends it."""

    def __init__(self, stack: Stack, console: Console, demo: bool) -> None:
        self.stack, self.console, self.demo = stack, console, demo
        self.parent = Parent()
        self.followers: dict[int, Follower] = {}  # by pid
        self.restarts: dict[str, list[float]] = defaultdict(list)
        self.due: dict[str, float] = {}  # parts that wait for their next start, and when it is
        stack.report = lambda name, seconds: self.console.say(f"ready in {seconds:.1f} s", name)
        stack.report_end = self.report_end

    def run(self) -> int:
        """Run until a signal (exit status 0) or a failure (1)."""
        self.listen(self.stop_on_signal)
        try:
            self.start()
            self.watch()
        except Stopped:
            self.console.say("stopping")
            return 0
        except StackError as error:
            self.pump()
            self.console.say("")
            print(error, file=sys.stderr, flush=True)
            return 1
        finally:
            self.listen(signal.SIG_IGN)
            self.stack.stop()
            self.pump()
            self.console.say("stopped")

    def report_end(self, name: str, seconds: float) -> None:
        """Show a part's last lines, and how long its end took."""
        self.pump()
        self.console.say(f"stopped in {seconds:.1f} s", name)

    def listen(self, action: object) -> None:
        """Set what SIGINT, SIGTERM and SIGHUP do."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, action)  # type: ignore[arg-type]

    def stop_on_signal(self, number: int, frame: FrameType | None) -> None:
        """Leave whatever is under way."""
        raise Stopped

    def start(self) -> None:
        """Bring all parts up in their order and say when the API is ready."""
        stack, plan = self.stack, self.stack.plan
        stack.prepare()
        serves = PARTS["api"] in stack.parts
        if serves and not is_free(plan.host, plan.port):
            raise StackError(
                f"Port {plan.port} on {plan.host} is taken: stop what listens there or give another --port."
            )
        self.console.say(f"data and logs: {stack.data.path}")
        stack.launch([part for part in stack.parts if part.name in SERVICES])
        if not serves:
            self.console.say(f"ready: {', '.join(stack.processes)} (variables: {stack.data.path / 'env'})")
            return
        self.migrate()
        stack.launch([part for part in stack.parts if part.name in PLATFORM])
        self.console.say(f"ready: {plan.url}/api/v1/ (docs: {plan.url}/docs)")
        if self.demo and not (stack.data.path / "demo.done").exists():
            self.add("demo", [sys.executable, "-m", "dev.demo", "--url", plan.url])

    def add(self, name: str, command: list[str]) -> Child:
        """Run something that is no lasting part, with the same variables."""
        environ = {**self.stack.environ, **self.stack.env}
        child = Child(name, command, environ, self.stack.data.path)
        self.stack.processes[name] = child
        return child

    def migrate(self) -> None:
        """Build the indexes before anything serves."""
        child = self.add("migrate", [sys.executable, "run.py", "db", "migrate"])
        wait_until_ready(child, lambda: child.returncode == 0, 120)
        self.pump()
        self.console.say(f"indexes ready in {child.age():.1f} s", "migrate")
        self.stack.processes.pop("migrate")

    def watch(self) -> NoReturn:
        """Show log lines and notice every end; returns by Stopped or StackError only."""
        while not self.parent.is_stopping():
            self.pump()
            for name, child in list(self.stack.processes.items()):
                if child.returncode is None:
                    self.note_ready(name, child)
                elif name not in self.due:
                    self.note_end(name, child)
            for name in [name for name, when in self.due.items() if when <= time.monotonic()]:
                del self.due[name]
                self.followers.pop(self.stack.processes[name].pid, None)
                self.stack.spawn(PARTS[name])
            time.sleep(TICK_SECONDS)
        raise Stopped

    def note_ready(self, name: str, child: Child) -> None:
        """Say when a part that was started again is ready."""
        if name in PARTS and not child.was_ready and PARTS[name].is_ready(self.stack.plan, child):
            child.was_ready = True
            self.console.say(f"ready again after {child.age():.1f} s", name)

    def note_end(self, name: str, child: Child) -> None:
        """Deal with a process that ended unasked."""
        child.bury()
        if name == "demo":
            self.stack.processes.pop(name)
            if child.returncode:
                self.console.say(f"not filled: {child.explain_end()} The platform runs without it.", name)
            return
        now = time.monotonic()
        recent = [when for when in self.restarts[name] if now - when < RESTART_WINDOW_SECONDS] + [now]
        self.restarts[name] = recent
        if not PARTS[name].stands_up_again or len(recent) > MOST_RESTARTS:
            self.console.say("\n".join(["its last lines:", *child.lines()]), name)
            raise StackError(child.explain_end() + " Everything else is ended with it.")
        self.due[name] = now + min(0.25 * 2 ** len(recent), 8)
        self.console.say(f"{name} ended with {child.how()}; started again ({len(recent)})", name)

    def pump(self) -> None:
        """Show what the parts have logged since the last time."""
        for name in SHOWN:
            child = self.stack.processes.get(name)
            if child and child.pid not in self.followers:
                self.followers[child.pid] = Follower(name, child.log, child.log_start)
        for follower in self.followers.values():
            for line in follower.lines():
                if line.strip() and not ROUTINE.search(line):
                    self.console.say(line, follower.name)
