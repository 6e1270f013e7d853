"""The metrics of a process (Prometheus); several processes of one host share a folder, see METRICS_DIR."""

from prometheus_client import Counter

CACHE_EVENTS = Counter(
    "marquee_cache_events_total",
    "Anonymous reads by where they were answered: memory, redis, stale, waited, computed, bypassed.",
    ["outcome"],
)
