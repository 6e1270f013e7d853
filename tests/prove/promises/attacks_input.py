"""Nothing that can be sent is an error of ours, takes long, or changes what it may not."""

from tests.attacks.suite import kept

EXAMPLES = 6_000


def run(quick):
    return [
        kept(
            "No text that is sent breaks a parser of ours",
            "filters, cursors, forms, resumable uploads, captions and pictures, drawn from a grammar and bent",
            ["tests/attacks/test_fuzz.py"],
            unit="bodies and queries",
            FUZZ_EXAMPLES="300" if quick else str(EXAMPLES),
        ),
        kept(
            "Injection and junk are refused at once",
            "lists of what has broken Eve and others: queries, bodies, paths, headers",
            ["tests/attacks/test_junk.py", "tests/attacks/test_eve_holes.py"],
            unit="cases",
        ),
        kept(
            "No text makes a regular expression slow",
            "every pattern of the source, of schemas, bodies and URL rules, with 100 kB pumped for each",
            ["tests/attacks/test_patterns.py"],
            unit="cases",
            figure="the slowest {milliseconds:.0f} ms",
        ),
        kept(
            "Small files that grow stay small",
            "pictures and films that tell of millions of pixels, frames, scans and comments; packed bodies",
            ["tests/attacks/test_bombs.py"],
            unit="cases",
            figure="at most {megabytes:.0f} MB and {seconds:.1f} s of CPU",
        ),
    ]
