"""The report of a run: JSON for machines, Markdown for people, and a drawing."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.chart import draw
from bench.targets import judge

HEAD = "| case | server | req/s | CPU µs | p99 ms | spread | held against | ratio | range | CPU ratio | verdict |"


def write(folder: Path, rows: list[dict[str, Any]], about: dict[str, Any]) -> str:
    """Write report.json (the rows), about.json, report.md and report.svg; return the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(rows, indent=1) + "\n")
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    text = markdown(rows, about)
    (folder / "report.md").write_text(text)
    (folder / "report.svg").write_text(draw(rows))
    return text


def markdown(rows: list[dict[str, Any]], about: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    noise = about["noise"]
    lines = [
        "# Benchmark",
        "",
        f"{about['rounds']} rounds of {about['seconds']:g} s each, interleaved; {about['videos']:,} videos, "
        f"{about['comments']:,} comments; wrk with one thread and {about['connections']} connections; two processes "
        f"per server on {about['cores']} cores, which MongoDB, Valkey and wrk share. Only ratios travel.",
        "",
        f"Noise: the same loop took {noise['loop_ms']} ms, its quartiles {noise['loop_spread_percent']} % apart; "
        f"others kept {noise['cores_used_by_others']} cores busy meanwhile.",
        "",
        *table_of_targets(judge(rows)),
        "",
        HEAD,
        "|---|---|---:|---:|---:|---:|---|---:|---|---:|---|",
        *(line(row) for row in rows),
        "",
    ]
    if about.get("extras"):
        lines += ["| also measured | value |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in about["extras"].items()]
    lines += ["", *(f"Not measured: {one}." for one in about.get("left_out", ()))]
    return "\n".join(lines).rstrip() + "\n"


def table_of_targets(judged: Iterable[dict[str, Any]]) -> list[str]:
    """Return the table of targets."""
    lines = ["| target | at least | throughput | by CPU | |", "|---|---:|---:|---:|---|"]
    for one in judged:
        met = "met" if one["met"] else "missed"
        name = f"{one['case']}: {one['server']} / {one['against']}"
        by_cpu = "" if one["cpu_ratio"] is None else f"{one['cpu_ratio']:.2f}"
        lines.append(f"| {name} | {one['target']:g} | {one['ratio']:.2f} | {by_cpu} | {met} |")
    return lines


def line(row: dict[str, Any]) -> str:
    """Return one row of the table."""
    failed = f" ({row['failures']} failed)" if row["failures"] else ""
    head = f"| {row['case']} | {row['server']} | {row['rps']:,.0f}{failed} | {row['cpu_us']:,.0f} "
    head += f"| {row['p99_ms']:.1f} | {row['spread_percent']:.0f} % | "
    if row["ratio"] is None:
        return head + "| | | | |"
    spread = f"{row['ratio_low']:.2f} to {row['ratio_high']:.2f}"
    return (
        head
        + f"{row['ratio_to']} | {row['ratio']:.2f} | {spread} | {row['cpu_ratio']:.2f} | {row['verdict']} |"
    )
