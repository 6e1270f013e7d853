"""Too much is shed or waits its turn, the rest is answered; when it passes, all is as before; and no memory grows."""

import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from bson import ObjectId

from machine.counters.recount import verify
from tests.faults.test_pipeline_ways import family, resident
from tests.patience import patience
from tests.platform import poll
from tests.prove.journeys import LOCUST, run_journeys
from tests.prove.row import Row
from tests.prove.world import World

PARTS = ("beat", "worker", "api", "api2")
STEPS = (8, 16, 32, 64, 128, 256)
# Past the knee more users bring no more answers, or one in twenty waits longer than this.
SLOW_MS, GAIN = 300, 1.15
PEOPLE, FILMS, COMMENTS = 60, 30, 12
SOAK_MINUTES = 5.0
# Far more than there are threads: what does not fit is refused.
FLOOD = 400
GROWTH = 0.05
DRIFT = 1.15


def run(quick):
    if not LOCUST.exists():
        return Row(
            "The load is known at which answers slow down",
            "locust",
            0,
            0,
            "",
            None,
            "locust is not installed",
        )
    # The people of the load do not refresh: a token of theirs must outlive half an hour of it.
    more = {"RATE_LIMITS": "on", "ACCESS_TOKEN_SECONDS": "14400"}
    with tempfile.TemporaryDirectory() as folder, World(folder, parts=PARTS, **more) as world:
        told = prepare(world)
        run_journeys(told, 8, 4)  # warms the processes up
        steps = find_knee(told, 4 if quick else 12, STEPS[1:] if quick else STEPS)
        knee = best(steps)
        rows = [
            Row("The load is known at which answers slow down", "locust: users in steps, doubled each time",
                len(steps), sum(one.failed for one in steps), "; ".join(map(str, steps)) + f"; knee: {knee.users}",
                not any(one.failed for one in steps), "; ".join(r for one in steps for r in one.reasons)),
            beyond(world, told, knee, 6 if quick else 30),
            flood(world, told, knee, 6 if quick else 20),
            greedy(told, knee, 6 if quick else 20),
        ]  # fmt: skip
        if not quick:
            minutes = float(os.environ.get("PROVE_SOAK_MINUTES", SOAK_MINUTES))
            rows.append(soak(world, told, knee, minutes))
        for row in rows:
            print(row, flush=True)
        return rows


def prepare(world):
    """Make films and people, and the file that tells locust of them."""
    owner = world.person("owner")[0]
    channel = world.store.insert("channels", {"handle": "host", "name": "Host", "owner": owner})["_id"]
    facts = {"channel": channel, "owner": owner, "visibility": "public", "status": "READY", "duration": 60.0}
    films = [str(world.store.insert("videos", {**facts, "title": f"Film {n}"})["_id"]) for n in range(FILMS)]
    # A first page of comments is full from the start: answers that grow would look like drift.
    for film in films * COMMENTS:
        world.store.insert("comments", {"video": ObjectId(film), "author": owner, "text": "Well done"})
    tokens = [world.person(f"person{n}")[1] for n in range(PEOPLE)]
    told = Path(world.folder) / "journeys.json"
    told.write_text(json.dumps({"bases": world.bases, "films": films, "tokens": tokens}))
    return told


def find_knee(told, seconds, steps):
    """Double the users until that brings no more answers, or they come late; return the figures of each step."""
    found = []
    for users in steps:
        found.append(run_journeys(told, users, seconds, "Viewer", "Writer"))
        print(found[-1], flush=True)
        late = found[-1].percentile(0.95) > SLOW_MS
        if late or (len(found) > 1 and found[-1].rate < found[-2].rate * GAIN):
            break
    return found


def best(steps):
    """Return the last step whose answers came in time and that brought more than the one before."""
    good = [
        one for n, one in enumerate(steps)
        if one.percentile(0.95) <= SLOW_MS and (n == 0 or one.rate >= steps[n - 1].rate * GAIN)
    ]  # fmt: skip
    return good[-1] if good else steps[0]


def beyond(world, told, knee, seconds):
    """Send three times the users of the knee, then half of them: nothing fails, nothing collapses, and it passes."""
    much = run_journeys(told, 3 * knee.users, seconds, "Viewer", "Writer")
    began = time.monotonic()
    poll(lambda: all(world.is_ready(base) for base in world.bases), 15, "ready again")
    recovered = time.monotonic() - began
    little = run_journeys(told, max(1, knee.users // 2), max(4, seconds / 3), "Viewer", "Writer")
    wrong = [f"{much.failed} requests failed: {much.reasons}"] * bool(much.failed)
    wrong += [f"only {much.rate:.0f}/s of {knee.rate:.0f}/s"] * (much.rate < 0.6 * knee.rate)
    wrong += [f"afterwards {little}"] * (
        little.percentile(0.95) > max(patience(SLOW_MS), 2 * knee.percentile(0.95))
    )
    drifts = list(verify(world.store, settle=2.0))
    wrong += [f"{len(drifts)} counters are wrong"] * bool(drifts)
    figure = f"{much}; ready {recovered:.1f} s after; then {little}"
    done = f"{3 * knee.users} users for {seconds} s, then half of the knee"
    return Row("Three times the knee neither breaks nor lingers", done,
               much.answered + much.shed, much.failed + len(drifts), figure, not wrong, "; ".join(wrong))  # fmt: skip


def flood(world, told, knee, seconds):
    """Send far more than there are threads: the rest is told to come again, at once, and a metric counts it."""
    much = run_journeys(told, FLOOD, seconds, "Viewer", "Writer")
    wrong = [f"{much.failed} requests failed: {much.reasons}"] * bool(much.failed)
    wrong += [f"only {much.rate:.0f}/s of {knee.rate:.0f}/s"] * (much.rate < 0.5 * knee.rate)
    wrong += [] if world.measure("marquee_requests_shed_total") else ["nothing was shed"]
    return Row("A flood is shed, and the rest is answered", f"{FLOOD} users for {seconds} s",
               much.answered + much.shed, much.failed, str(much), not wrong, "; ".join(wrong))  # fmt: skip


def greedy(told, knee, seconds):
    """One caller writes as fast as it can: it is told to wait, and the others notice nothing."""
    one = run_journeys(told, 1, seconds, "Greedy")
    both = run_journeys(told, max(2, knee.users // 2), seconds, "Viewer", "Writer", "Greedy")
    wrong = [f"{one.failed + both.failed} requests failed: {one.reasons + both.reasons}"] * bool(
        one.failed + both.failed
    )
    wrong += [] if one.shed or one.answered < 300 else ["it was never told to wait"]
    done = f"one caller writes without a pause for {seconds} s; its quota is 300 a minute"
    return Row("A greedy caller is told to wait", done,
               one.answered + one.shed, one.failed, str(one), not wrong, "; ".join(wrong))  # fmt: skip


def soak(world, told, knee, minutes):
    """Keep 80 % of the knee up; watch the memory of each process, and what an answer costs it in CPU."""
    users, parts, seconds = max(1, round(0.8 * knee.users)), 6, max(10, minutes * 60 / 6)
    run_journeys(told, users, seconds, "Viewer", "Writer")  # all caches are as full as they get
    memory, times, costs = [sample(world)], [], []
    for _ in range(parts):
        before = cpu(world)
        times.append(run_journeys(told, users, seconds, "Viewer", "Writer"))
        costs.append(1000 * (cpu(world) - before) / max(1, times[-1].answered))
        memory.append(sample(world))
    growth = {name: memory[-1][name] / memory[0][name] - 1 for name in memory[0]}
    failed = sum(one.failed for one in times)
    first, last = (statistics.median(some) for some in (costs[:3], costs[3:]))
    drifts = list(verify(world.store, settle=2.0))
    wrong = [f"{name} grew by {share:.1%}" for name, share in growth.items() if share > GROWTH]
    wrong += [f"{failed} requests failed"] * bool(failed) + [f"{len(drifts)} counters are wrong"] * bool(
        drifts
    )
    wrong += [f"an answer cost {first:.2f} ms of CPU, then {last:.2f} ms"] * (last > DRIFT * first)
    most = max(growth, key=lambda name: growth[name])
    figure = (
        f"{users} users, {sum(one.answered for one in times):,} answers; an answer costs {first:.2f} ms of CPU, then "
        f"{last:.2f} ms; p95 {' '.join(str(round(one.percentile(0.95))) for one in times)} ms; "
        f"{most} grew most, by {growth[most]:.1%}"
    )
    return Row("At 80 % of the knee no memory grows and nothing drifts", f"{minutes:g} minutes of steady load",
               1, failed + len(drifts), figure, not wrong, "; ".join(wrong))  # fmt: skip


def sample(world):
    """Return the resident memory of our processes, in bytes, by part."""
    return {name: sum(map(resident, family(world.pid(name)))) for name in PARTS}


def cpu(world):
    """Return the seconds of CPU that our API processes have used: other loads on the machine change them little."""
    return sum(seconds_of(pid) for name in ("api", "api2") for pid in family(world.pid(name)))


def seconds_of(pid):
    """Return the user and system time of a process (proc_pid_stat(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
