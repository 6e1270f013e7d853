"""The report of a run: JSON for machines, Markdown for people, and a drawing."""

import json
from collections.abc import Iterable
from pathlib import Path

from bench.chart import draw
from bench.rounds import Row
from bench.targets import judge

HEAD = "| case | server | req/s | CPU µs | p99 ms | spread | held against | ratio | range | CPU ratio | verdict |"


CASES = (
    "list", "list_embedded", "item", "comments", "feed", "search", "signed_in", "not_modified", "token",
    "post_comment", "patch_video", "put_like", "login",
)  # fmt: skip
SERVERS = (
    "marquee", "marquee_cached", "marquee_hot", "express_lean", "express_redis", "starlette", "eve_stock",
    "floor_find", "floor_redis", "floor_hello", "flask_hello",
)  # fmt: skip


def write(folder: Path, rows: list[Row], about: Row, keep: bool = False) -> str:
    """Write report.json (the rows), about.json, report.md and report.svg; return the Markdown.

    `keep`: what the last report says of cases that this run has not measured stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if keep and (folder / "report.json").exists():
        rows, about = add(*read(folder), rows, about)
    (folder / "report.json").write_text(json.dumps(rows, indent=1) + "\n")
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    text = markdown(rows, about)
    (folder / "report.md").write_text(text)
    (folder / "report.svg").write_text(draw(rows))
    return text


def read(folder: Path) -> tuple[list[Row], Row]:
    """Return the rows of the last report, and what there is to know about it."""
    return json.loads((folder / "report.json").read_text()), json.loads((folder / "about.json").read_text())


def add(old_rows: list[Row], old: Row, rows: list[Row], about: Row) -> tuple[list[Row], Row]:
    """Return an old report with the cases of a new one in their places."""
    anew = sorted({row["case"] for row in rows})
    runs = [
        *(
            {**run, "cases": left}
            for run in old.get("runs", ())
            if (left := sorted(set(run["cases"]) - set(anew)))
        ),
        {"cases": anew, **{name: about[name] for name in ("rounds", "seconds", "noise")}},
    ]
    kept = [row for row in old_rows if row["case"] not in anew]
    merged: Row = {name: {**old[name], **about[name]} for name in ("extras", "took_seconds")}
    return kept + rows, {**old, **merged, "runs": runs}


def markdown(rows: list[Row], about: Row) -> str:
    """Return the report as Markdown."""
    lines = ["# Benchmark", "", *conditions(about), "", *matrix(rows), "", *table_of_targets(judge(rows)), ""]
    lines += [*also_measured(about), "", HEAD, "|---|---|---:|---:|---:|---:|---|---:|---|---:|---|"]
    lines += [*(line(row) for row in rows), "", *not_measured(about)]
    return "\n".join(lines).rstrip() + "\n"


def conditions(about: Row) -> list[str]:
    """Say under which conditions a run was made."""
    lines = [
        f"{about['rounds']} rounds of {about['seconds']:g} s each, interleaved; {about['videos']:,} videos, "
        f"{about['comments']:,} comments; wrk with one thread and {about['connections']} connections; two processes "
        f"per server on {about['cores']} cores, which MongoDB, Valkey and wrk share. {unrest(about['noise'])}"
    ]
    for run in about.get("runs", ()):
        names = ", ".join(run["cases"])
        lines += [
            "",
            f"In a run of its own, {run['rounds']} rounds of {run['seconds']:g} s: {names}. {unrest(run['noise'])}",
        ]
    return lines


def unrest(noise: dict[str, float]) -> str:
    """Say how quiet the machine was."""
    return (
        f"A loop that is always the same took {noise['loop_ms']} ms, its quartiles {noise['loop_spread_percent']} % "
        f"apart; others kept {noise['cores_used_by_others']} cores busy meanwhile (median)."
    )


def matrix(rows: list[Row]) -> list[str]:
    """Return the table of requests per second and microseconds of CPU, a row per case and a column per server."""
    found = {(row["case"], row["server"]): f"{row['rps']:,.0f} / {row['cpu_us']:,.0f}" for row in rows}
    servers = [name for name in SERVERS if any((case, name) in found for case in CASES)]
    shown = [case for case in CASES if any((case, name) in found for name in servers)]
    if not shown:
        return []
    lines = [f"| req/s / CPU µs | {' | '.join(servers)} |", "|---|" + "---:|" * len(servers)]
    return lines + [
        f"| {case} | {' | '.join(found.get((case, name), '') for name in servers)} |" for case in shown
    ]


def also_measured(about: Row) -> list[str]:
    """Return the table of what is no rate."""
    rows = [f"| {name} | {value} |" for name, value in about["extras"].items()]
    return ["| also measured | |", "|---|---:|", *rows] if rows else []


def not_measured(about: Row) -> list[str]:
    """Say what could not be measured, and why."""
    return [f"Not measured: {one}." for one in (*about["left_out"], *about.get("failed", ()))]


def table_of_targets(judged: Iterable[Row]) -> list[str]:
    """Return the table of targets."""
    lines = ["| target | at least | throughput | range | by CPU | |", "|---|---:|---:|---|---:|---|"]
    for one in judged:
        met = "met" if one["met"] else "missed"
        name = f"{one['case']}: {one['server']} / {one['against']}"
        by_cpu = "" if one["cpu_ratio"] is None else f"{one['cpu_ratio']:.2f}"
        spread = f"{one['low']:.2f} to {one['high']:.2f}"
        lines.append(f"| {name} | {one['target']:.3g} | {one['ratio']:.2f} | {spread} | {by_cpu} | {met} |")
    return lines


def line(row: Row) -> str:
    """Return one row of the table."""
    failed = f" ({row['failures']} failed)" if row["failures"] else ""
    head = f"| {row['case']} | {row['server']} | {row['rps']:,.6g}{failed} | {row['cpu_us']:,.0f} "
    head += f"| {row['p99_ms']:,.1f} | {row['spread_percent']:.0f} % | "
    if row["ratio"] is None:
        return head + "| | | | |"
    spread = f"{row['ratio_low']:.2f} to {row['ratio_high']:.2f}"
    by_cpu = "" if row["cpu_ratio"] is None else f"{row['cpu_ratio']:.2f}"
    return head + f"{row['ratio_to']} | {row['ratio']:.2f} | {spread} | {by_cpu} | {row['verdict']} |"


def table_of_servers(rows: list[Row]) -> list[str]:
    """Return the rows as Markdown: a row per server, req/s / CPU and the 99th percentile per case."""
    cases = list(dict.fromkeys(row["case"] for row in rows))
    found = {(row["server"], row["case"]): cell(row) for row in rows}
    lines = [f"| req/s / CPU µs / p99 ms | {' | '.join(cases)} |", "|---|" + "---:|" * len(cases)]
    for name in dict.fromkeys(row["server"] for row in rows):
        lines.append(f"| {name} | {' | '.join(found[name, case] for case in cases)} |")
    return lines


def cell(row: Row) -> str:
    """Return what a server did in a case."""
    if row["rps"] < 1:
        return "nothing"
    failed = f" ({row['failures']} failed)" if row["failures"] else ""
    return f"{row['rps']:,.0f} / {row['cpu_us']:,.0f} / {row['p99_ms']:,.0f}{failed}"
