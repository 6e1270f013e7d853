"""What only the database knows of the platform's state, asked at each scrape: queues, their age, lags, parts up."""

import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pymongo.errors import PyMongoError
from redis.exceptions import RedisError

from clients import clock
from clients.metrics import Collector, GaugeMetricFamily
from machine.jobs.alive_jobs import WORKER_SEEN

if TYPE_CHECKING:
    from features.backend import Backend

# Several scrapers and processes may ask at once; the database is asked once in this many seconds per process.
KEEP_SECONDS = 5.0
# Counting what succeeded would read a month of jobs; these states are short lists under an index.
STATES = ("queued", "running", "failed", "dead")
MOST = 100_000


class Gauges(Collector):
    """Collects the gauges. What cannot be asked is absent, and `marquee_part_up` says why."""

    def __init__(self, services: "Backend") -> None:
        self.services = services
        self.kept: list[GaugeMetricFamily] = []
        self.until = 0.0
        self.lock = threading.Lock()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges, at most a few seconds old."""
        with self.lock:
            if time.monotonic() >= self.until:
                self.kept = list(self.ask())
                self.until = time.monotonic() + KEEP_SECONDS
            yield from self.kept

    def ask(self) -> Iterator[GaugeMetricFamily]:
        """Ask MongoDB and Redis."""
        up = GaugeMetricFamily("marquee_part_up", "1 if the part answers this process.", labels=["part"])
        try:
            yield from self.ask_mongo()
            up.add_metric(["mongodb"], 1)
        except PyMongoError:
            up.add_metric(["mongodb"], 0)
        try:
            yield from self.ask_redis()
            up.add_metric(["redis"], 1)
        except RedisError:
            up.add_metric(["redis"], 0)
        yield up

    def ask_mongo(self) -> Iterator[GaugeMetricFamily]:
        """Count the jobs and measure how long the oldest waits."""
        jobs = self.services.db["jobs"]
        counts = GaugeMetricFamily("marquee_jobs", "Jobs in the ledger, by state.", labels=["state"])
        for state in STATES:
            counts.add_metric([state], jobs.count_documents({"state": state}, limit=MOST))
        now = clock.now()
        due = jobs.find_one(
            {"state": "queued", "next_retry_at": {"$lte": now}},
            {"next_retry_at": 1},
            sort=[("next_retry_at", 1)],
        )
        late = (now - due["next_retry_at"]).total_seconds() if due else 0.0
        owed = oldest(jobs, {"type": "deliver", "state": "queued"})
        event = oldest(self.services.db["events"], {"relayed_at": None})
        yield counts
        yield gauge("marquee_job_oldest_due_seconds", "How long the oldest job that is due has waited.", late)
        yield gauge("marquee_webhook_oldest_seconds", "Age of the oldest webhook delivery not made.", owed)
        yield gauge("marquee_event_oldest_seconds", "Age of the oldest event not passed on.", event)

    def ask_redis(self) -> Iterator[GaugeMetricFamily]:
        """Measure the broker's queue and when a worker was last seen."""
        length: Any = self.services.redis.llen("jobs")
        seen: Any = self.services.redis.get(WORKER_SEEN)
        yield gauge("marquee_broker_messages", "Messages that no worker has taken.", float(length))
        yield gauge("marquee_worker_seen_timestamp_seconds", "When a worker was last seen.", float(seen or 0))


def oldest(collection: Any, match: dict[str, Any]) -> float:
    """Return the age of the oldest document that matches, in seconds; 0 without one."""
    found = collection.find_one(match, {"_id": 1}, sort=[("_id", 1)])
    return max(0.0, time.time() - found["_id"].generation_time.timestamp()) if found else 0.0


def gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    """Return a gauge without labels."""
    return GaugeMetricFamily(name, about, value=value)
