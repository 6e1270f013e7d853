"""Check WebVTT captions (https://www.w3.org/TR/webvtt1/): a header, then cues whose times run forward."""

import re

LARGEST_CHARACTERS = 500_000
MOST_CUES = 20_000
# Plain digits, and no more hours than a number can be made of.
TIME = r"(?:([0-9]{2,6}):)?([0-5][0-9]):([0-5][0-9])\.([0-9]{3})"
TIMING = re.compile(rf"{TIME}[ \t]+-->[ \t]+{TIME}(?:[ \t][^\n]*)?")
SKIPPED = ("NOTE", "STYLE", "REGION")


class BadCaptions(Exception):
    """The text is not valid WebVTT; the message names the place."""


def check_webvtt(text: str) -> int:
    """Check a caption file; return the number of its cues. A file without any is valid, and shows nothing."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > LARGEST_CHARACTERS:
        raise BadCaptions(f"at most {LARGEST_CHARACTERS} characters")
    if "\0" in text:
        raise BadCaptions("it contains a NUL character")
    head, _, rest = text.partition("\n")
    if not re.fullmatch(r"WEBVTT([ \t].*)?", head):
        raise BadCaptions(
            "the first line must begin with WEBVTT; in SubRip (SRT), the first two must be a number and a line like "
            "00:00:01,000 --> 00:00:04,000"
        )
    # What stands directly below the first line, up to an empty one, belongs to the header.
    blocks = re.split(r"\n{2,}", "\n" + rest)[0 if rest.startswith("\n") else 1 :]
    cues, last = 0, 0
    for number, block in enumerate((b.strip("\n") for b in blocks), 1):
        if not block.strip() or block.split(None, 1)[0] in SKIPPED:
            continue
        last = check_cue(block, number, last)
        cues += 1
        if cues > MOST_CUES:
            raise BadCaptions(f"at most {MOST_CUES} cues")
    return cues


def check_cue(block: str, number: int, earliest: int) -> int:
    """Check one cue; return its start in milliseconds."""
    lines = block.split("\n")
    if "-->" not in lines[0]:
        lines = lines[1:]  # an identifier
    found = TIMING.fullmatch(lines[0]) if lines else None
    if not found:
        raise BadCaptions(f"block {number}: expected a line like 00:01.000 --> 00:04.000")
    start, end = milliseconds(*found.groups()[:4]), milliseconds(*found.groups()[4:])
    if end <= start:
        raise BadCaptions(f"block {number}: it ends before it starts")
    if start < earliest:
        raise BadCaptions(f"block {number}: it starts before the one above")
    if any("-->" in line for line in lines[1:]):
        raise BadCaptions(f"block {number}: an empty line is missing above the next cue")
    return start


def milliseconds(hours: str | None, minutes: str, seconds: str, rest: str) -> int:
    """Return a time as milliseconds."""
    return ((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(rest)
