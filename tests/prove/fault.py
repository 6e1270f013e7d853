"""Do one harm under mixed load, take it back, and judge: what is lost, what was answered, what tells of it."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import requests
from redis.exceptions import RedisError

from dev.errors import StackError
from features.operation.gauges import WORKER_SEEN
from tests.platform import poll
from tests.prove.ledger import check
from tests.prove.row import Row

RECOVER_SECONDS = 15


@dataclass
class Fault:
    """One harm. `strike` does it, `heal` takes it back after `hold` seconds.

    `log` is a pattern that some log must show, `metric(world, before)` says whether the metrics tell. `breaks`:
    connections may break, as those of a killed process do.
    """

    promise: str
    done: str
    strike: Callable
    heal: Callable
    log: str
    metric: Callable
    hold: float = 3.0
    breaks: bool = False
    views: bool = True
    times: int = 1


def suffer(world, traffic, fault):
    """Do the harm under load, and return the row of what came of it; one that could not be done is broken."""
    try:
        return endure(world, traffic, fault)
    except (AssertionError, OSError, StackError) as error:
        fault.heal()
        traffic.end()
        return Row(fault.promise, fault.done, fault.times, 0, "", False, f"{type(error).__name__}: {error}")


def endure(world, traffic, fault):
    """Do the harm, take it back, and wait until all is as before."""
    world.await_all()
    ledger = traffic.begin(breaks=fault.breaks)
    poll(lambda: ledger.acknowledged >= 20, 30, "some load before the harm")
    since, before, told = world.mark_logs(), world.metrics(), False
    recovered = []
    for _ in range(fault.times):
        fault.strike()
        until = time.monotonic() + fault.hold
        while time.monotonic() < until:
            told = told or fault.metric(world, before)
            time.sleep(0.1)
        began, seen = time.monotonic(), last_seen(world)
        fault.heal()
        poll(lambda seen=seen: works(world, traffic, seen), 60, "all works again")
        recovered.append(time.monotonic() - began)
        goal = ledger.acknowledged + 20
        poll(lambda goal=goal: ledger.acknowledged >= goal, 30, "some load after the harm")
    traffic.end()
    lost, settled = check(world, ledger, views=fault.views)
    return judge(
        world, fault, ledger, lost, settled, max(recovered), told or late(fault, world, before), since
    )


def late(fault, world, before):
    """Give the metrics, which are kept for some seconds, the time to tell."""
    try:
        return poll(lambda: fault.metric(world, before), 8, "the metrics tell")
    except AssertionError:
        return False


def judge(world, fault, ledger, lost, settled, recovered, told, since):
    line = world.logged(fault.log, since)
    wrong = list(dict.fromkeys(ledger.wrong))[:4]
    wrong += [] if recovered < RECOVER_SECONDS else [f"recovered after {recovered:.1f} s"]
    wrong += [] if told else ["no metric tells of it"]
    wrong += [] if line else ["no log line tells of it"]
    figure = (
        f"{ledger.acknowledged:,} writes acknowledged, {ledger.refused:,} requests refused in order; all works "
        f"{recovered:.1f} s after, all counted {settled:.1f} s after; slowest answer {ledger.slowest:.1f} s"
    )
    notes = "; ".join([*map(str, lost[:4]), *wrong])
    print(f"{fault.promise}: {dict(ledger.statuses)} {figure} log: {line} {notes}", flush=True)
    return Row(fault.promise, fault.done, fault.times, len(lost), figure, not lost and not wrong, notes)


def last_seen(world):
    """Return what a worker last noted, None while Redis is away."""
    with contextlib.suppress(RedisError):
        return world.services.redis.get(WORKER_SEEN)


def works(world, traffic, seen):
    """Ask every instance for one of each kind of deed; a worker must have been called since it was last seen."""
    world.stand_up()
    film = str(traffic.ledger.films[0])
    headers = {"Authorization": f"Bearer {traffic.probe}"}
    for base in world.bases:
        try:
            answers = [
                requests.get(f"{base}/readyz", timeout=10),
                requests.get(f"{base}/api/v1/videos?max_results=2", timeout=10),
                requests.put(
                    f"{base}/api/v1/videos/{film}/like", json={"value": 1}, headers=headers, timeout=10
                ),
            ]
        except requests.RequestException:
            return False
        if any(answer.status_code >= 500 for answer in answers):
            return False
        parts = answers[0].json()["parts"]
        if answers[0].status_code != 200 or parts["redis"] != "ok":
            return False
    return last_seen(world) not in (None, seen)


# What metrics may tell.


def falls(name, **labels):
    """The gauge is 0."""
    return lambda world, before: any(world.measure(name, base, **labels) == 0 for base in world.bases)


def rises(name, **labels):
    """The counter is higher than before."""

    def risen(world, before):
        was = sum(v for (n, have), v in before.items() if n == name and set(labels.items()) <= set(have))
        return any((world.measure(name, base, **labels) or 0) > was for base in world.bases)

    return risen


def not_scraped(index):
    """Prometheus gets no answer there: `up` is 0."""
    return lambda world, before: world.metrics(world.bases[index]) == {}


def ages(name, seconds):
    """The moment that the gauge holds is older than that."""
    return lambda world, before: time.time() - (world.measure(name) or time.time()) > seconds
