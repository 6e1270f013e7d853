"""The platform as in production, small: two API instances, two workers, beat; proxies between it and what it needs."""

import contextlib
import os
import re
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from dev.parts import API, PARTS, WORKER, api_command, api_is_ready, worker_command
from features.backend import Backend
from features.identity.sessions import Sessions
from machine.declare.registry import Registry
from machine.write.store import Store
from settings import Settings
from tests.patience import patience
from tests.platform import Platform, poll

OURS = ("beat", "worker", "worker2", "api", "api2")
FAKETIME = ("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")
# Nothing is logged of requests that went well; what fails is.
QUIET = {"LOG_LEVEL": "INFO", "ACCESS_LOG": "0", "COUNT_MARK_SECONDS": "3"}


def second(plan):
    """Return the plan of the second API instance."""
    return replace(plan, port=plan.ports["api2"])


def twin_parts(clocks):
    """Register a second API and a second worker, and set the clock of a part by so many seconds."""
    commands = {
        "api": api_command,
        "api2": lambda plan: api_command(second(plan)),
        "worker": lambda plan: [*worker_command(plan), "--hostname", "one@%h"],
        "worker2": lambda plan: [*worker_command(plan), "--hostname", "two@%h"],
    }
    PARTS["api"] = replace(API, command=shifted(commands["api"], clocks.get("api")))
    PARTS["api2"] = replace(
        API, name="api2", has_port=True, command=shifted(commands["api2"], clocks.get("api2")),
        is_ready=lambda plan, child: api_is_ready(second(plan), child),
    )  # fmt: skip
    for name in ("worker", "worker2"):
        PARTS[name] = replace(
            WORKER, name=name, command=shifted(commands[name], clocks.get(name)),
            is_ready=lambda plan, child: "ready." in "\n".join(child.lines(100)),
        )  # fmt: skip


def shifted(command, seconds):
    """Let a command live at another time; the monotonic clock stays, as with a wrong clock it does."""
    if not seconds:
        return command
    fake = [f"LD_PRELOAD={faketime()}", f"FAKETIME={seconds:+d}", "FAKETIME_DONT_FAKE_MONOTONIC=1"]
    fake += [f"PYTHONPATH={Path(__file__).with_name('shifted')}"]
    return lambda plan: ["env", *fake, *command(plan)]


def faketime():
    """Return the library that shifts clocks, None where it is not installed."""
    return next((path for path in FAKETIME if os.path.exists(path)), None)


class World(Platform):
    """A platform with two of everything of ours. `between(env)` may put proxies before what it needs."""

    def __init__(self, folder, between=lambda env: None, clocks=None, parts=OURS, **environ):
        twin_parts(clocks or {})

        def keep_ways(env):
            self.direct = dict(env)
            between(env)

        self.chosen = environ
        super().__init__(folder, parts=parts, between=keep_ways, **{**QUIET, **environ})
        self.stack.plan.job_workers = 1
        self.died = time.monotonic()

    def __enter__(self):
        super().__enter__()
        self.services = Backend(Settings.from_env({**self.chosen, **self.direct}, mongo_timeout_seconds=20.0))
        self.store = Store(self.services, Registry.load())
        self.db = self.services.db
        return self

    def __exit__(self, *error):
        with contextlib.suppress(AttributeError):
            self.services.close()
        super().__exit__(*error)

    @property
    def bases(self):
        """Where the API instances are."""
        ports = self.stack.plan.ports
        return [self.base, *([f"http://127.0.0.1:{ports['api2']}"] if "api2" in self.own_parts else [])]

    def person(self, name, role="user"):
        """Return a new user's (id, access token, refresh token), without the cost of a password."""
        user = self.store.insert("users", {"username": name, "role": role, "status": "active"})
        begun = Sessions(self.services, self.store).start(user["_id"], "test", "127.0.0.1")
        return user["_id"], self.services.tokens.issue(user, begun.session)[0], begun.refresh_token

    def metrics(self, base=None):
        """Return all metrics as {(name, labels): value}; {} when nobody answers."""
        try:
            with urllib.request.urlopen(f"{base or self.base}/metrics", timeout=patience(15)) as answer:
                text = answer.read().decode()
        except OSError:
            return {}
        return {
            (one.name, tuple(sorted(one.labels.items()))): one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
        }

    def measure(self, name, base=None, **labels):
        """Return the sum of a metric over the series with these labels; None when there are none."""
        wanted = set(labels.items())
        found = [
            value for (n, have), value in self.metrics(base).items() if n == name and wanted <= set(have)
        ]
        return sum(found) if found else None

    def mark_logs(self):
        """Return where each log ends now, for `logged`."""
        return {path: path.stat().st_size for path in (self.folder / "logs").glob("*.log")}

    def logged(self, pattern, since):
        """Return the first line that any log has had since then and that matches."""
        for path in (self.folder / "logs").glob("*.log"):
            with path.open("rb") as log:
                log.seek(min(since.get(path, 0), path.stat().st_size))
                for line in log.read().decode(errors="replace").splitlines():
                    if re.search(pattern, line):
                        return f"{path.stem}: {line}"
        return None

    def await_all(self, seconds=20):
        """Start again what has ended, and wait until every instance says that it is ready."""
        self.stand_up()
        poll(lambda: all(self.is_ready(base) for base in self.bases), seconds, "every instance ready")

    def is_ready(self, base):
        try:
            with urllib.request.urlopen(f"{base}/readyz", timeout=patience(5)) as answer:
                return answer.status == 200
        except OSError:
            return False


def children(pid):
    """Return the processes directly below one."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
