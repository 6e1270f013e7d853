"""Runs the journeys by locust, which lives in a venv of its own, and adds its numbers up."""

import json
import os
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.platform import ROOT

LOCUST = ROOT / "tests" / "tools" / ".venv" / "bin" / "locust"
FILE = Path(__file__).with_name("locustfile.py")


@dataclass
class Figures:
    """What a run measured. Milliseconds; `shed` counts the answers that said to come back."""

    users: int
    seconds: float
    answered: int = 0
    shed: int = 0
    failed: int = 0
    times: Counter = field(default_factory=Counter)
    reasons: list = field(default_factory=list)

    @property
    def rate(self):
        return self.answered / self.seconds

    def percentile(self, share):
        """Return the time below which this share of the answers came."""
        left = share * sum(self.times.values())
        for time in sorted(self.times):
            left -= self.times[time]
            if left <= 0:
                return time
        return 0

    def __str__(self):
        p50, p95, p99 = (round(self.percentile(share)) for share in (0.5, 0.95, 0.99))
        shed = f", {self.shed:,} shed" if self.shed else ""
        return f"{self.users} users {self.rate:.0f}/s {p50}/{p95}/{p99} ms{shed}"


def run_journeys(told, users, seconds, *kinds):
    """Let so many users make their journeys for so long; `kinds`: only these classes."""
    if not LOCUST.exists():
        raise FileNotFoundError("locust is missing: `make prove` installs it")
    command = [str(LOCUST), "--locustfile", str(FILE), "--headless", "--users", str(users), "--spawn-rate", str(users),
               "--run-time", f"{round(seconds)}s", "--json", "--loglevel", "CRITICAL", *kinds]  # fmt: skip
    environ = {**os.environ, "PROVE_JOURNEYS": str(told)}
    ended = subprocess.run(
        command, env=environ, capture_output=True, text=True, check=False, timeout=seconds + 120
    )
    if "[" not in ended.stdout:
        raise ChildProcessError(f"locust says nothing but {ended.stderr[-300:]}")
    figures = Figures(users, round(seconds))
    for entry in json.loads(ended.stdout[ended.stdout.index("[") :]):
        figures.failed += entry["num_failures"]
        if entry["method"] == "SHED":
            figures.shed += entry["num_requests"]
            continue
        figures.answered += entry["num_requests"] - entry["num_failures"]
        figures.times.update({float(time): count for time, count in entry["response_times"].items()})
    if figures.failed:
        figures.reasons = [line for line in ended.stderr.splitlines() if line.strip()][-3:]
    return figures
