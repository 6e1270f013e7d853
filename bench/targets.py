"""The targets of the design, as ratios in one interleaved run, and what a run gave."""

from typing import Any

READS = ("list", "list_embedded", "item", "comments")
# What the cache in front answers.
KEPT = (*READS, "feed", "search")
SCALED = ("scale_list", "scale_item", "scale_channel", "scale_search")
# (case, server, held against, at least)
TARGETS: list[tuple[str, str, str, float]] = [
    ("list", "marquee", "express_lean", 2.3),
    ("list", "marquee", "floor_find", 0.8),
    ("list_embedded", "marquee", "express_lean", 3.0),
    ("item", "marquee", "express_lean", 2.4),
    ("item", "marquee", "floor_find", 0.85),
    ("comments", "marquee", "express_lean", 1.6),
    *[(case, "marquee_cached", "express_redis", 2.2) for case in KEPT],
    *[(case, "marquee_cached", "floor_redis", 1.0) for case in KEPT],
    *[(case, "marquee_hot", "express_redis", 5.0) for case in KEPT],
    *[(case, "marquee_hot", "floor_hello", 0.5) for case in KEPT],
    ("signed_in", "marquee", "express_lean", 1.5),
    ("post_comment", "marquee", "express_lean", 1.5),
    ("not_modified", "marquee_cached", "marquee_cached 200", 1.0),
    ("not_modified", "marquee_hot", "marquee_hot 200", 1.0),
    ("upload", "marquee", "floor_sink", 0.6),
    *[(case, "marquee", "20,000 videos", 1 / 1.3) for case in SCALED],
    ("deep_page", "marquee", "page 1", 1 / 1.2),
    # A 99th percentile three times as long is a third as good.
    ("burst", "marquee", "idle", 1 / 3),
    ("start_up", "marquee_alone", "1.5 s", 1.0),
]


def judge(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each target that the run can answer, with what it gave and whether it is met."""
    found = {(row["case"], row["server"], row["ratio_to"]): row for row in rows}
    judged = []
    for case, server, against, least in TARGETS:
        row = found.get((case, server, against))
        if row is not None:
            judged.append(
                {"case": case, "server": server, "against": against, "target": least, **outcome(row, least)}
            )
    return judged


def outcome(row: dict[str, Any], least: float) -> dict[str, Any]:
    """Return what a row says of a target. `met` is decided by throughput alone."""
    spread = {"low": row["ratio_low"], "high": row["ratio_high"]}
    return {
        "ratio": row["ratio"],
        "cpu_ratio": row["cpu_ratio"],
        **spread,
        "met": row["ratio"] >= round(least, 2),
    }
