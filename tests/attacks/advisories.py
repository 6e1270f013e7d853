"""What pip-audit says of every pinned package, held against the answers in docs/audit.md."""

import json
import re
import subprocess
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "audit.md"
PIP_AUDIT = ROOT / "tests" / "tools" / ".venv" / "bin" / "pip-audit"
PINS = [
    "requirements.txt",
    "dev/requirements.txt",
    "docker/requirements-tracing.txt",
    "tests/requirements.txt",
    "tests/tools/requirements.txt",
    "bench/requirements.txt",
]


@dataclass
class Audit:
    """What was found: {(package, id): all its ids}, who was looked up, and who was not, and why."""

    flaws: dict = field(default_factory=dict)
    looked_up: set = field(default_factory=set)
    skipped: dict = field(default_factory=dict)

    def read(self, told):
        """Take in one report of pip-audit, parsed from its JSON."""
        for one in told["dependencies"]:
            name = canonicalize_name(one["name"])
            # It says "no known vulnerabilities" of packages that it could not look up, too.
            if "skip_reason" in one:
                self.skipped[name] = one["skip_reason"]
                continue
            self.looked_up.add(name)
            for flaw in one["vulns"]:
                self.flaws[name, flaw["id"]] = {flaw["id"], *flaw.get("aliases", ())}
        return self


def ask():
    """Ask the advisory service about all pins; stop at the first file where it answers nothing."""
    audit = Audit()
    how = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "-f", "json"]
    for pins in PINS:
        done = subprocess.run(
            [PIP_AUDIT, *how, "-r", pins], cwd=ROOT, capture_output=True, text=True, timeout=300
        )
        if done.stdout.startswith("{"):
            audit.read(json.loads(done.stdout))
        else:
            said = done.stderr.strip().splitlines() or ["pip-audit said nothing"]
            audit.skipped[pins] = said[-1][:200]
        if not audit.looked_up:
            break
    return audit


def table(text, heading):
    """Return the rows of the table below a heading, each a list of its cells without backquotes."""
    below = text.partition(f"## {heading}\n")[2].partition("\n#")[0]
    rows = [line for line in below.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def answers(text):
    """Return {(package, id)} that a page answers; raise ValueError for one without reason or date of review."""
    known = set()
    for package, id_, reason, reviewed in table(text, "Answers"):
        if len(reason) < 20:
            raise ValueError(f"{package} {id_}: no reason is given")
        if date.fromisoformat(reviewed) > date.today():
            raise ValueError(f"{package} {id_}: reviewed in the future")
        known.add((canonicalize_name(package), id_))
    return known


def complaints(audit, known):
    """Say in a line each what must fail: no answer, an answer to nothing, a package not looked up."""
    if not audit.looked_up:
        return [f"nothing could be looked up: {next(iter(audit.skipped.values()), 'there are no pins')}"]
    used = {(name, alias) for (name, _), aliases in audit.flaws.items() for alias in aliases} & known
    open_ = [
        f"{name} {id_}: has no answer"
        for (name, id_), aliases in audit.flaws.items()
        if not any((name, alias) in used for alias in aliases)
    ]
    missed = [f"{name}: not looked up: {why}" for name, why in audit.skipped.items()]
    # Of what was not looked up nobody knows whether its answer still answers something.
    stale = [] if missed else [f"{name} {id_}: answers nothing any more" for name, id_ in known - used]
    return sorted(open_) + sorted(stale) + sorted(missed)


def pins():
    """Return [(file, package, version)] of all lock files."""
    return [
        (file, canonicalize_name(name), version)
        for file in PINS
        for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", (ROOT / file).read_text(), re.MULTILINE)
    ]
