"""What bandit says of our code, held against the answers in docs/security.md.

`python -m tests.attacks.audit` prints that and what pip-audit says of our dependencies; exit status 1 where
something is found that has no answer, or an answer to an advisory answers nothing any more.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.attacks import advisories

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tests" / "tools" / ".venv" / "bin"
FLOORS = [
    "run.py", "settings.py", "variables.py", "assembly.py", "commands", "tasks", "features", "hooks", "machine",
    "schemas", "clients",
]  # fmt: skip
SOURCES = [*FLOORS, "cloudinary_local", "dev", "docker", "bench"]
ELSEWHERE = "bench/.venv,bench/peers,docker/.venv"


def run(tool, *arguments):
    return subprocess.run([TOOLS / tool, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300)


def findings():
    """Return {(rule, file)} of everything that bandit finds, and how many files it read."""
    done = run("bandit", "-q", "-r", *SOURCES, "-x", ELSEWHERE, "-f", "json")
    told = json.loads(done.stdout)
    assert not told["errors"], told["errors"]
    found = {(one["test_id"], one["filename"].removeprefix("./")) for one in told["results"]}
    return found, len(told["metrics"]) - 1


def table(heading):
    """Return the rows of the table below a heading of docs/security.md, each a list of its cells."""
    text = (ROOT / "docs" / "security.md").read_text().partition(f"### {heading}\n")[2].partition("\n#")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return rows[2:]


def answers():
    """Return {(rule, place): reason}; a place is a file, or a folder and all below it."""
    found = {}
    for rule, places, reason in table("Findings of bandit"):
        for place in re.findall(r"`([^`]+)`", places):
            found[rule.strip("`"), place] = reason
    return found


def answer_to(finding, known):
    """Return the place whose answer covers a finding, None without one."""
    rule, file = finding
    return next(
        (place for r, place in known if r == rule and (file == place or file.startswith(f"{place}/"))), None
    )


def main():
    found, files = findings()
    open_ = {one for one in found if not answer_to(one, answers())}
    print(f"bandit: {files} files, {len(found)} findings, {len(open_)} without an answer in docs/security.md")
    for rule, file in sorted(open_):
        print(f"  {rule} {file}")
    asked = advisories.ask()
    wrong = advisories.complaints(asked, advisories.answers(advisories.PAGE.read_text()))
    print(f"pip-audit: {len(asked.looked_up)} packages looked up, {len(asked.flaws)} advisories", end=", ")
    print(f"{len(wrong)} complaints; answers are in docs/audit.md")
    for one in wrong:
        print(f"  {one}")
    return bool(open_ or wrong)


if __name__ == "__main__":
    sys.exit(main())
