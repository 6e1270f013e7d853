"""The storyboard of a film as a WebVTT track: which picture of the sheet stands for which seconds."""

from typing import Any


def write_vtt(sheet: dict[str, Any], url: str, duration: float) -> str:
    """Return the WebVTT that says which part of the sheet at `url` belongs to which seconds."""
    lines = ["WEBVTT", ""]
    for number in range(sheet["count"]):
        start, end = number * sheet["interval"], min(duration, (number + 1) * sheet["interval"])
        column, row = number % sheet["columns"], number // sheet["columns"]
        place = f"{column * sheet['width']},{row * sheet['height']},{sheet['width']},{sheet['height']}"
        lines += [f"{clock(start)} --> {clock(end)}", f"{url}#xywh={place}", ""]
    return "\n".join(lines)


def clock(seconds: float) -> str:
    """Write a time as WebVTT does."""
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"
