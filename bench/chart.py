"""A drawing of a run as SVG: throughput of each server relative to Express lean, on a logarithmic scale."""

import math
from typing import Any
from xml.sax.saxutils import escape

CASES = ("list", "list_embedded", "item", "comments", "feed", "search", "signed_in", "post_comment")
COLOURS = {
    "marquee": "#0b6e4f",
    "marquee_cached": "#2fa36b",
    "marquee_hot": "#8fd694",
    "express_redis": "#c2703d",
    "starlette": "#6f7fb5",
    "eve_stock": "#b0413e",
    "floor_find": "#9aa0a6",
    "floor_redis": "#bdc1c6",
    "floor_hello": "#dadce0",
}
NAMES, WIDTH, BAR, GAP, LEFT, TOP = 110, 900, 13, 20, 130, 58
LOW, HIGH = 0.1, 200.0


def position(ratio: float) -> float:
    """Return where a ratio lies on the axis, in pixels."""
    share = (math.log10(min(max(ratio, LOW), HIGH)) - math.log10(LOW)) / (math.log10(HIGH) - math.log10(LOW))
    return LEFT + NAMES + share * (WIDTH - LEFT - NAMES - 70)


def draw(rows: list[dict[str, Any]]) -> str:
    """Return the drawing: a group of bars per case, each bar from Express lean's 1 to the server's ratio."""
    rates = {(row["case"], row["server"]): row["rps"] for row in rows}
    parts: list[str] = []
    y = TOP
    for case in CASES:
        base = rates.get((case, "express_lean"))
        shown = [server for server in COLOURS if (case, server) in rates]
        if not base or not shown:
            continue
        parts.append(text(LEFT - 10, y + BAR, case.replace("_", " "), "end", weight="bold"))
        for server in shown:
            parts += bar(y, server, rates[case, server] / base)
            y += BAR + 3
        y += GAP
    return frame(parts, y)


def bar(y: float, server: str, ratio: float) -> list[str]:
    """Return one bar with its name and its value."""
    start, end = sorted((position(1), position(ratio)))
    return [
        text(LEFT + NAMES - 6, y + BAR - 2, server, "end"),
        f'<rect x="{start:.1f}" y="{y}" width="{max(end - start, 1):.1f}" height="{BAR}" fill="{COLOURS[server]}"/>',
        text(end + 5, y + BAR - 2, f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}", "start"),
    ]


def frame(parts: list[str], height: float) -> str:
    """Return the bars with title, axis and a white ground."""
    axis = []
    for mark in (0.1, 0.3, 1, 3, 10, 30, 100):
        x = position(mark)
        colour = "#444" if mark == 1 else "#ddd"
        axis.append(f'<line x1="{x:.1f}" y1="44" x2="{x:.1f}" y2="{height}" stroke="{colour}"/>')
        axis.append(text(x, 40, f"{mark:g}", "middle"))
    title = text(
        LEFT, 20, "Requests per second, Express + Mongoose lean = 1 (logarithmic)", "start", weight="bold"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}"'
    style = ' font-family="system-ui, sans-serif" font-size="11">'
    ground = f'<rect width="{WIDTH}" height="{height:.0f}" fill="white"/>'
    return "\n".join([head + style, ground, *axis, title, *parts, "</svg>"]) + "\n"


def text(x: float, y: float, words: str, anchor: str, weight: str = "normal") -> str:
    """Return a text element."""
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'
