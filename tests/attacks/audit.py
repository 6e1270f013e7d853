"""What bandit says of our code and pip-audit of our dependencies, held against the answers in docs/security.md.

`python -m tests.attacks.audit` prints both; exit status 1 where something is found that has no answer.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tests" / "tools" / ".venv" / "bin"
FLOORS = ["run.py", "settings.py", "commands", "api", "hooks", "tasks", "policy", "schemas", "services"]
SOURCES = [*FLOORS, "dev", "docker", "bench"]
ELSEWHERE = "bench/.venv,bench/peers,docker/.venv"
PINS = ["requirements.txt", "dev/requirements.txt", "docker/requirements-tracing.txt", "tests/requirements.txt",
        "tests/tools/requirements.txt", "bench/requirements.txt"]  # fmt: skip


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


def advisories():
    """Return ({(package, id)} of known flaws, how many packages were looked up, why not where none was)."""
    flaws, audited, why = set(), 0, ""
    for pins in PINS:
        done = run(
            "pip-audit",
            "--require-hashes",
            "--disable-pip",
            "--progress-spinner",
            "off",
            "-f",
            "json",
            "-r",
            pins,
        )
        if not done.stdout.startswith("{"):
            why = (
                done.stderr.strip().splitlines()[-1][:200]
                if done.stderr.strip()
                else "pip-audit said nothing"
            )
            continue
        for one in json.loads(done.stdout)["dependencies"]:
            # It says "no known vulnerabilities" of packages that it could not look up, too.
            why = one.get("skip_reason", why)
            audited += "skip_reason" not in one
            flaws |= {(one["name"], flaw["id"]) for flaw in one.get("vulns", ())}
        if not audited:
            break
    return flaws, audited, why


def unanswered_advisories(flaws):
    known = {(package.strip("`"), id_.strip("`")) for package, id_, _ in table("Advisories")}
    return flaws - known


def main():
    found, files = findings()
    open_ = {one for one in found if not answer_to(one, answers())}
    print(f"bandit: {files} files, {len(found)} findings, {len(open_)} without an answer in docs/security.md")
    for rule, file in sorted(open_):
        print(f"  {rule} {file}")
    flaws, audited, why = advisories()
    open_flaws = unanswered_advisories(flaws)
    print(
        f"pip-audit: {audited} packages looked up, {len(flaws)} advisories, {len(open_flaws)} without an answer"
    )
    for package, id_ in sorted(open_flaws):
        print(f"  {package} {id_}")
    if not audited:
        print(f"  nothing could be looked up here: {why}")
    return bool(open_ or open_flaws or not audited)


if __name__ == "__main__":
    sys.exit(main())
