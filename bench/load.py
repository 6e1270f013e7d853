"""One measurement: wrk against one server for some seconds, with the CPU that the server's processes used."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
CONNECTIONS = 16
# wrk's own script: each request takes one of the paths and bodies at random; the last line is for us to read.
SCRIPT = """
local paths, bodies, headers = %s, %s, %s
local requests = {}
math.randomseed(7)
init = function()
  for _, path in ipairs(paths) do
    if #bodies == 0 then
      requests[#requests + 1] = wrk.format("%s", path, headers)
    end
    for _, body in ipairs(bodies) do
      requests[#requests + 1] = wrk.format("%s", path, headers, body)
    end
  end
end
request = function() return requests[math.random(#requests)] end
done = function(summary, latency)
  local e = summary.errors
  local told = '\\nRESULT {"requests": %%d, "seconds": %%.6f, "p50": %%.3f, "p99": %%.3f, '
    .. '"refused": %%d, "broken": %%d}\\n'
  io.write(string.format(told, summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, e.status, e.connect + e.read + e.write + e.timeout))
end
"""


class NoWrk(Exception):
    """wrk is not there."""


@dataclass(frozen=True)
class Result:
    """What one measurement gave. CPU is in microseconds per request, of the server's own processes."""

    rps: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    failures: int
    requests: int


def require_wrk() -> str:
    """Find wrk, or say in one sentence how to get it."""
    found = shutil.which("wrk")
    if not found:
        raise NoWrk("The benchmark needs wrk to make its load: install it (Debian: apt-get install wrk).")
    return found


def lua(values: Iterable[str]) -> str:
    """Write a list of texts as a Lua table; JSON's quoting is also Lua's."""
    return "{" + ", ".join(json.dumps(value) for value in values) + "}"


def script(paths: Iterable[str], method: str, bodies: Iterable[str], headers: dict[str, str]) -> str:
    """Write wrk's script for a case."""
    table = (
        "{"
        + ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items())
        + "}"
    )
    return SCRIPT % (lua(paths), lua(bodies), table, method, method)


def press(url: str, text: str, pid: int, seconds: float, connections: int = CONNECTIONS) -> Result:
    """Load a server by a script for so many seconds. wrk counts whole seconds only, so the time is rounded."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(text)
        file.flush()
        before = cpu_seconds(pid)
        flags = [
            "-t1",
            f"-c{connections}",
            f"-d{max(1, round(seconds))}s",
            "--timeout",
            "10s",
            "-s",
            file.name,
        ]
        output = subprocess.run(
            [require_wrk(), *flags, url], capture_output=True, text=True, check=True
        ).stdout
        used = cpu_seconds(pid) - before
    line = next(line for line in output.splitlines() if line.startswith("RESULT "))
    told = json.loads(line.removeprefix("RESULT "))
    requests = max(1, told["requests"])
    return Result(
        rps=requests / told["seconds"],
        cpu_us=used / requests * 1e6,
        p50_ms=told["p50"],
        p99_ms=told["p99"],
        failures=told["refused"] + told["broken"],
        requests=told["requests"],
    )


def cpu_seconds(pid: int) -> float:
    """Return the user and system time that a process and its children have used so far."""
    return sum(ticks(one) for one in family(pid)) / TICKS


def ticks(pid: int) -> int:
    """Return the clock ticks of one process, none when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    found, ahead = [], [pid]
    while ahead:
        one = ahead.pop()
        found.append(one)
        for thread in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                ahead += map(int, thread.read_text().split())
            except OSError:
                continue
    return found


def memory_mib(pid: int) -> list[float]:
    """Return the proportional memory of a process and of each below it, in MiB."""
    sizes = []
    for one in family(pid):
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:
            continue
        line = next(line for line in text.splitlines() if line.startswith("Pss:"))
        sizes.append(int(line.split()[1]) / 1024)
    return sizes
