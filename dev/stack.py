"""Start and stop the parts of the embedded stack together; used by `run.py up` and by the tests.

with Stack(folder, parts=("mongo", "redis", "cloudinary")) as stack:
    settings = Settings.from_env(stack.env)
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType

from dev import marks
from dev.child import Child, wait_until_ready
from dev.datadir import DataDir, free_port
from dev.errors import StackError
from dev.parts import PARTS, Part, Plan

SERVICES = ("mongo", "redis", "cloudinary")
PASSED_ON = (
    "CLOUDINARY_URL",
    "MEDIA_API_URL",
    "MEDIA_DELIVERY_URL",
    "MEDIA_TOKEN_KEY",
    "MONGO_URI",
    "REDIS_URL",
)
STOP_ORDER = ("api", "worker", "beat", "cloudinary", "redis", "mongo")
PORT_TRIES = 3


class Stack:
    """Parts that run on one data directory, from `start` to `stop`. `env` is what a deployment would set.

    A part that the environment names (MONGO_URI, REDIS_URL, CLOUDINARY_URL) is used and not started.
    Use it from the main thread: Linux ends the parts when the thread that started them ends.
    """

    def __init__(
        self,
        data_dir: Path | str,
        parts: Iterable[str] = SERVICES,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_workers: int = 1,
        job_workers: int = 2,
        environ: Mapping[str, str] | None = None,
        report: Callable[[str, float], None] = lambda name, seconds: None,
        report_end: Callable[[str, float], None] = lambda name, seconds: None,
    ) -> None:
        """Plan a stack; `port` 0 is any free one; `report` hears what is ready, and after how many seconds."""
        self.environ = dict(os.environ if environ is None else environ)
        self.data = DataDir(Path(data_dir))
        self.parts = [PARTS[name] for name in parts if not PARTS[name].is_elsewhere(self.environ)]
        self.processes: dict[str, Child] = {}
        self.report, self.report_end = report, report_end
        self.plan = Plan(
            self.data.path, {}, host=host, port=port, api_workers=api_workers, job_workers=job_workers
        )

    @property
    def env(self) -> dict[str, str]:
        """The variables that the API and the workers need to reach the parts."""
        return self.plan.env

    def start(self) -> "Stack":
        """Claim the data directory and start everything; StackError says what is wrong."""
        self.prepare()
        try:
            self.launch(self.parts)
        except BaseException:
            self.stop()
            raise
        return self

    def prepare(self) -> None:
        """Claim the folder, end what a killed copy left running, choose ports, and set the variables."""
        self.data.claim()
        marks.end_marked(self.data.path, patience=10)
        plan = self.plan
        plan.secrets = self.data.secrets()
        plan.port = plan.port or free_port()
        plan.env = {name: self.environ[name] for name in PASSED_ON if name in self.environ}
        plan.env |= {
            "SECRET_KEY": self.environ.get("SECRET_KEY") or plan.secrets["secret_key"],
            "PUBLIC_URL": self.environ.get("PUBLIC_URL") or plan.url,
            "DATA_DIR": str(self.data.path),
            "METRICS_DIR": str(self.data.path / "metrics"),
        }
        self.data.empty("metrics")
        for part in self.parts:
            self.choose_port(part)
        self.data.save_env(plan.env)

    def choose_port(self, part: Part, fresh: bool = False) -> None:
        """Give a part its port, and the variables that follow from it."""
        if part.has_port:
            self.plan.ports[part.name] = self.data.port(part.name, fresh)
        self.plan.env |= part.variables(self.plan)

    def launch(self, parts: Iterable[Part]) -> None:
        """Start parts side by side and wait until each is ready."""
        waiting = list(parts)
        for part in waiting:
            self.spawn(part)
        for part in waiting:
            self.report(part.name, self.await_part(part))

    def spawn(self, part: Part) -> None:
        """Start one part's process."""
        environ = {**self.environ, **self.plan.env}
        self.processes[part.name] = Child(
            part.name, part.command(self.plan), environ, self.data.path, part.nice
        )

    def await_part(self, part: Part) -> float:
        """Wait until a part is ready; one whose port was taken in the meantime gets another."""
        for _ in range(PORT_TRIES):
            child = self.processes[part.name]
            try:
                return wait_until_ready(child, partial(part.is_ready, self.plan, child), part.start_seconds)
            except StackError:
                if not (part.has_port and "already in use" in "\n".join(child.lines(50))):
                    raise
                self.choose_port(part, fresh=True)
                self.data.save_env(self.plan.env)
                self.spawn(part)
        raise StackError(f"{part.name} found no free port on this machine.")

    def restart(self, name: str) -> None:
        """Stop a part, start it again on the same port, and wait until it is ready."""
        self.processes[name].stop(PARTS[name].stop_seconds)
        self.launch([PARTS[name]])

    def kill(self, name: str) -> None:
        """End a part as a crash would (SIGKILL) and leave it down; `restart` brings it back."""
        self.processes[name].kill()

    def stop(self) -> None:
        """End all parts in order, the API first and the databases last, and free the data directory."""
        for name in sorted(self.processes, key=stop_rank):
            begin = time.monotonic()
            self.processes.pop(name).stop(PARTS[name].stop_seconds if name in PARTS else 5)
            self.report_end(name, time.monotonic() - begin)
        if self.data.lock is not None:
            marks.end_marked(self.data.path)
            self.data.release()

    def __enter__(self) -> "Stack":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def stop_rank(name: str) -> int:
    """Order the ends: what is no lasting part, then API, worker, beat, local Cloudinary, Valkey, mongod."""
    return STOP_ORDER.index(name) if name in STOP_ORDER else -1
