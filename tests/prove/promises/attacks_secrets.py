"""No secret leaves by an error, a log, a metric or a trace; what tools find in code and dependencies is answered."""

from tests.attacks.suite import kept


def run(quick):
    return [
        kept(
            "No secret is told",
            "a tour that makes 20 kinds of secrets and puts them everywhere; all that real processes say is searched",
            ["tests/attacks/test_canaries.py"],
            unit="searches",
            figure="{refusals:.0f} refusals, {megabytes:.1f} MB of logs, metrics and traces",
        ),
        kept(
            "Nothing personal outlives its person",
            "one who wrote a mark into every field that has room, and did all that copies, leaves, also in the "
            "moment of a copy; every collection, key and file is searched",
            ["tests/features/identity/test_erasure.py", "tests/features/identity/test_departure.py"],
            unit="checks",
            figure="{markers:.0f} marks that stood in {places:.0f} places",
        ),
        kept(
            "Each finding of bandit is answered",
            "bandit over all our code against docs/security.md",
            ["tests/attacks/test_audit.py", "--deselect", ADVISORIES],
            unit="checks",
            figure="{files:.0f} files, {findings:.0f} findings, all answered",
        ),
        kept("No dependency has a known flaw", "pip-audit over all pins", [ADVISORIES], unit="checks"),
    ]


ADVISORIES = "tests/attacks/test_audit.py::test_no_dependency_has_a_known_flaw_without_an_answer"
