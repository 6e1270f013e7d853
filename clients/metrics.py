"""The metrics of a process (Prometheus); several processes of one host share a folder, see METRICS_DIR.

A worker or API process that dies leaves its counters behind in the folder, where they go on counting. So there are
counters and histograms only, and gauges whose latest value or highest date is the truth whoever wrote it.
"""

import os
from functools import cache
from pathlib import Path

from variables import read_variable

FOLDER = read_variable(os.environ, "METRICS_DIR", secret=False)
if FOLDER:
    # prometheus_client looks for it once, on import.
    Path(FOLDER).mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = FOLDER

from prometheus_client import (  # noqa: E402
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily  # noqa: E402
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest  # noqa: E402
from prometheus_client.multiprocess import MultiProcessCollector  # noqa: E402
from prometheus_client.registry import Collector  # noqa: E402

# Whoever needs the library takes it from here: imported before the lines above, it counts for one process alone.
__all__ = ["CONTENT_TYPE_PLAIN_0_0_4", "Collector", "GaugeMetricFamily", "generate_latest"]

# The times of birth of series: twice as many series, and not known over several processes.
disable_created_metrics()
METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})
QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
LONG = (0.05, 0.25, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)

REQUESTS = Counter(
    "marquee_requests_total",
    "Requests answered, by method, route template and status.",
    ["method", "route", "status"],
)
REQUEST_SECONDS = Histogram(
    "marquee_request_seconds",
    "Time from a request's first hook to its answer, by method and route template.",
    ["method", "route"],
    buckets=QUICK,
)
CACHE_EVENTS = Counter(
    "marquee_cache_events_total",
    "Reads by where they were answered: memory, redis, stale, waited, computed, bypassed.",
    ["outcome"],
)
REQUESTS_SHED = Counter(
    "marquee_requests_shed_total", "Requests told to come again because every thread was busy."
)
JOBS_ENDED = Counter(
    "marquee_job_attempts_total",
    "Attempts of jobs by what came of them: succeeded, failed, dead, cancelled, retried, waiting, lost, "
    "and abandoned: its worker fell silent.",
    ["type", "outcome"],
)
JOB_SECONDS = Histogram(
    "marquee_job_attempt_seconds", "Time an attempt of a job took.", ["type"], buckets=LONG
)
JOB_WAIT_SECONDS = Histogram(
    "marquee_job_wait_seconds", "Time from when a job was due to its claim.", ["type"], buckets=LONG
)
WEBHOOK_LAG = Histogram(
    "marquee_webhook_lag_seconds",
    "Time from an event to its delivery at a webhook that took it.",
    buckets=LONG,
)
WEBHOOK_ATTEMPTS = Counter(
    "marquee_webhook_attempts_total", "Calls of webhooks: delivered, refused, hopeless.", ["outcome"]
)
MEDIA_NOTICES = Counter(
    "marquee_media_notices_total",
    "Notifications from the media store: taken, unmatched, known, forged, malformed.",
    ["outcome"],
)
LIMITER_FALLBACKS = Counter(
    "marquee_limiter_fallbacks_total", "Requests counted in the process because Redis was away.", ["kind"]
)
BREAKER_OPENED = Counter("marquee_breaker_opened_total", "Times that a breaker opened.", ["part"])
# A date need not be reset by anybody: the breaker of a process that died closes by itself.
BREAKER_UNTIL = Gauge(
    "marquee_breaker_open_until_timestamp_seconds",
    "Until when a part is not asked; in the past: it is.",
    ["part"],
    multiprocess_mode="max",
)
PRIMARY_CHANGES = Counter(
    "marquee_mongo_primary_changes_total",
    "Times that a process lost MongoDB's primary, or found one: lost, found.",
    ["what"],
)
STREAMS_OPEN = Gauge("marquee_streams_open", "Event streams that are open.", multiprocess_mode="livesum")
STREAMS_ENDED = Counter(
    "marquee_streams_ended_total",
    "Event streams ended by us: time, access_ended, too_many (made room for another), unavailable.",
    ["reason"],
)
UPLOAD_BYTES = Counter("marquee_upload_bytes_total", "Bytes of videos received, by way.", ["way"])
DRIFTS = Gauge(
    "marquee_count_drifts",
    "Counters that were wrong when all were last verified.",
    multiprocess_mode="mostrecent",
)
VERIFIED = Gauge(
    "marquee_counters_verified_timestamp_seconds",
    "When all counters were last verified.",
    multiprocess_mode="mostrecent",
)
MISSING_MEDIA = Gauge(
    "marquee_media_missing",
    "READY videos whose file the media store did not have when both were last compared.",
    multiprocess_mode="mostrecent",
)
BUILD = Gauge(
    "marquee_build_info", "Which build runs, as a label.", ["build"], multiprocess_mode="mostrecent"
)


def note_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request. The route is a template, so that the number of series stays what the routes are."""
    counter, histogram = series(method if method in METHODS else "other", route, status)
    counter.inc()
    histogram.observe(seconds)


@cache
def series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Return the series of a kind of request; looking them up costs more than counting."""
    return REQUESTS.labels(method, route, str(status)), REQUEST_SECONDS.labels(method, route)


def registry() -> CollectorRegistry:
    """Return a registry of its own for one scrape: all processes of this host, or this one alone."""
    fresh = CollectorRegistry()
    if FOLDER:
        MultiProcessCollector(fresh, path=FOLDER)
    else:
        fresh.register(REGISTRY)
    return fresh


def serve(port: int) -> None:
    """Serve the metrics of this host at a port of their own; a worker has no other way."""
    from prometheus_client import start_http_server

    start_http_server(port, addr="0.0.0.0", registry=registry())
