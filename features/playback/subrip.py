"""Convert SubRip (SRT) captions, which most tools write, to WebVTT."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

# Numbers of hours and the comma of SubRip vary among the tools that write it.
TIME = r"([0-9]{1,6}):([0-5]?[0-9]):([0-5]?[0-9])[,.]([0-9]{1,3})"
TIMING = re.compile(rf"[ \t]*{TIME}[ \t]*-->[ \t]*{TIME}(?:[ \t][^\n]*)?")
NUMBER = re.compile(r"[ \t]*[0-9]{1,9}[ \t]*")
# What both formats mean alike stays; positions in braces and fonts mean nothing in WebVTT.
KEPT = re.compile(r"&lt;(/?[biu])&gt;", re.IGNORECASE)
DROPPED = re.compile(r"\{\\[^{}\n]{0,100}\}|</?font(?:[ \t][^<>\n]{0,200})?>", re.IGNORECASE)


@dataclass
class Cue:
    """One caption: its times in milliseconds, and its lines."""

    start: int
    end: int
    lines: list[str] = field(default_factory=list)


def is_subrip(text: str) -> bool:
    """Tell whether a text begins as SubRip does: with a number and a timing, or a timing alone."""
    lines = [line for line in text.removeprefix("\ufeff").splitlines()[:50] if line.strip()]
    if lines and NUMBER.fullmatch(lines[0]):
        lines = lines[1:]
    return bool(lines) and TIMING.fullmatch(lines[0]) is not None


def to_webvtt(text: str) -> str:
    """Return SubRip captions as WebVTT, in the order of their times."""
    cues = sorted(read_cues(text.removeprefix("\ufeff").splitlines()), key=lambda cue: cue.start)
    blocks = ["\n".join([f"{clock(cue.start)} --> {clock(cue.end)}", *cue.lines]) for cue in cues]
    return "\n\n".join(["WEBVTT", *blocks]) + "\n"


def read_cues(lines: Iterable[str]) -> list[Cue]:
    """Return the captions: a timing begins each, and the number above it belongs to it."""
    cues: list[Cue] = []
    waiting = ""
    for line in lines:
        found = TIMING.fullmatch(line)
        if found:
            cues.append(Cue(milliseconds(*found.groups()[:4]), milliseconds(*found.groups()[4:])))
            waiting = ""
            continue
        if waiting and cues:
            cues[-1].lines.append(escaped(waiting))
        # A number may be that of the next caption: it is one's own text only if no timing follows.
        waiting = line if NUMBER.fullmatch(line) else ""
        if cues and line.strip() and not waiting:
            cues[-1].lines.append(escaped(line))
    if waiting and cues:
        cues[-1].lines.append(escaped(waiting))
    return cues


def escaped(line: str) -> str:
    """Return a line so that WebVTT shows what SubRip would."""
    line = DROPPED.sub("", line).strip()
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return KEPT.sub(lambda found: f"<{found[1].lower()}>", line)


def milliseconds(hours: str, minutes: str, seconds: str, rest: str) -> int:
    """Return a time as milliseconds."""
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(rest.ljust(3, "0"))


def clock(time: int) -> str:
    """Return milliseconds as WebVTT writes them."""
    seconds, rest = divmod(time, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
