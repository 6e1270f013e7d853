"""Nobody reaches what is not theirs: every URL rule, caller and state of its document, and every field and body."""

from tests.attacks.suite import kept


def run(quick):
    return [
        kept(
            "Nobody reads or changes what is not declared for them",
            "every rule of the URL map as six kinds of callers, in each state of its document and of what is above it",
            ["tests/attacks/test_url_map.py"],
            unit="requests",
        ),
        kept(
            "An API key tells, writes and refers to nothing beyond its scopes",
            "every resource × every URL on which its fields may stand × its owner's key and an administrator's, with "
            "the scope and without; every write, reference, event and webhook of a key that lacks one scope",
            ["tests/attacks/test_scopes.py", "tests/attacks/test_scopes_writes.py"],
            unit="cases",
        ),
        kept(
            "Nobody writes a field that is not theirs to write",
            "every field of every resource, nested and dotted; undeclared fields and operators in every body",
            ["tests/machine/access/test_fields.py", "tests/attacks/test_mass_assignment.py"],
            unit="cases",
        ),
        kept(
            "No forged, bent or borrowed token signs anybody in",
            "algorithms, keys, claims, spellings, and one credential in the place of another",
            ["tests/attacks/test_tokens.py"],
            unit="cases",
        ),
        kept(
            "Every limit holds whatever else an attacker changes",
            "every class of rate × what it protects, from other addresses, accounts, spellings and keys, with "
            "successes elsewhere, with Redis and without",
            ["tests/attacks/test_limits.py"],
            unit="attempts",
        ),
        kept(
            "What ends an account's credentials ends all that the table names",
            "13 events × 11 kinds of credentials: obtained, the event made to happen, used",
            ["tests/attacks/test_credentials.py"],
            unit="cases",
        ),
        kept(
            "What is handed out opens its own file, for whom it is due, and no longer than its right",
            "every caller and state of a video × every URL it can obtain, each tried with every file of two videos",
            ["tests/attacks/test_capabilities.py"],
            unit="cells and URLs",
        ),
    ]
