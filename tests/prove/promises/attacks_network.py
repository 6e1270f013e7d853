"""Neither the way in through nginx nor the way out to webhooks leads where it should not."""

from tests.attacks.suite import kept


def run(quick):
    return [
        kept(
            "No request is smuggled past nginx, and no slow client holds a thread",
            "forty requests of two meanings, feigned headers, 200 clients that dawdle over headers, 90 over bodies",
            ["tests/docker/test_smuggling.py"],
            unit="cases",
        ),
        kept(
            "No webhook reaches our inside",
            "private ranges, spellings of loopback, metadata services, a resolver that lies, redirects, slow receivers",
            ["tests/attacks/test_ssrf.py", "tests/features/notices/test_outbound.py"],
            unit="cases",
        ),
    ]
