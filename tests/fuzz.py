"""Requests that schemathesis makes up from the document, against a running copy: `python -m tests.fuzz`, and CI."""

import argparse
import collections
import json
import math
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.platform import ROOT, Person, Platform

TOOL = ROOT / "tests" / "tools" / ".venv" / "bin" / "schemathesis"
HOOKS = ROOT / "tests" / "tools" / "schemathesis_hooks.py"
CALLERS = ("anonymous", "user", "admin")
PASSWORD = "a phrase that no example shows"
# These end the sign-in of all that follows, or do not end.
APART = ("/api/v1/auth/logout", "/api/v1/auth/logout-all", "/api/v1/sessions/{id}", "/api/v1/me/stream")
# Three processes share the work: the tool is bound to one core, and waits for answers a third of its time.
SHARES = (
    "--include-path-regex=^/api/v1/[a-c]",
    "--include-path-regex=^/api/v1/[d-t]",
    "--exclude-path-regex=^/api/v1/[a-t]",
)
REPORT_SECONDS = 20
CLASSES = ("2xx", "3xx", "4xx", "5xx")
CONFIG = """
# What is asked for and not sent is refused by 428 and 412 too (RFC 6585, RFC 9110).
[checks.missing_required_header]
expected-statuses = [400, 401, 403, 404, 406, 409, 412, 415, 422, 428]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 428, 429]
# What fits its schema may still name what does not exist, be somebody else's or come too late; 405 and 406 it is not.
# Which 400, 413 and 415 it may be, a check of the hooks says.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 428, 429]
# Who may not know of a thing is told 404; this check takes 401 and 403 only. The one in the hooks is stricter besides.
[checks.ignored_auth]
enabled = false
# URLs that people wrote are not always such: the tool must not follow what stands in answers.
[phases.examples.extra-data-sources]
responses = false
[phases.coverage.extra-data-sources]
responses = false
[phases.fuzzing.extra-data-sources]
responses = false
"""
PLAIN = (
    "--no-color",
    "--continue-on-failure",
    "--generation-database=none",
    "--request-timeout=30",
    "--no-shrink",
)


class Caller:
    """Somebody on whose behalf requests are made up; what is his stands at the ids that the paths are given."""

    def __init__(self, platform, name):
        self.name = name
        self.token = (
            None if name == "anonymous" else sign_in(platform, f"{name}-{secrets.token_hex(4)}", name)
        )
        owner = Person(platform, self.token or sign_in(platform, f"owner-{secrets.token_hex(4)}", "user"))
        self.ids = make_world(owner)

    def write_config(self, folder):
        """Write the ids as the configuration of the tool; return the file."""
        parts = [f'hooks = "{HOOKS}"', CONFIG]
        for pattern, ids in self.ids.items():
            given = ", ".join(f'"{name}" = "{value}"' for name, value in ids.items())
            parts.append(f"[[operations]]\ninclude-path-regex = '{pattern}'\nparameters = {{ {given} }}")
        file = folder / f"{self.name}.toml"
        file.write_text("\n".join(parts) + "\n")
        return file

    def start(self, platform, folder, share, examples, seed, phases):
        """Start the tool for a share of the operations."""
        number = SHARES.index(share)
        command = [
            TOOL, "--config-file", self.write_config(folder), "run", f"{platform.base}/openapi.json", share,
            "--phases", phases, "--max-examples", str(examples), "--seed", str(seed), *PLAIN,
            *(word for path in APART for word in ("--exclude-path", path)),
            *(("--header", f"Authorization: Bearer {self.token}") if self.token else ()),
        ]  # fmt: skip
        said = folder / f"{self.name}.{number}.log"
        environ = {**os.environ, "MARQUEE_TALLY": str(folder / f"{self.name}.{number}.json")}
        with said.open("w") as log:
            words = [str(word) for word in command]
            process = subprocess.Popen(words, cwd=folder, env=environ, stdout=log, stderr=subprocess.STDOUT)
        return process, said


def sign_in(platform, username, role):
    """Make an account and return its access token."""
    words = [
        "--username",
        username,
        "--email",
        f"{username}@example.org",
        "--password",
        PASSWORD,
        "--role",
        role,
    ]
    command = [sys.executable, "run.py", "users", "create", *words]
    subprocess.run(command, cwd=ROOT, env=platform.environ, check=True, stdout=subprocess.DEVNULL)
    answer = platform.call("POST", "/auth/login", json={"login": username, "password": PASSWORD})
    return answer.json()["access_token"]


def make_world(owner):
    """Make one of each of what paths name; return parameters by pattern of path."""
    owner.make_channel(f"c{secrets.token_hex(4)}")
    video = owner.make_video()
    assert owner.upload(video).status_code == 202
    assert owner.await_end(video)["status"] == "READY"
    assert owner.post(f"/videos/{video}/publish").status_code == 200
    comment = made(owner, f"/videos/{video}/comments", {"text": "The light is lovely."})
    playlist = made(owner, "/playlists", {"title": "Later"})
    item = made(owner, f"/playlists/{playlist}/items", {"video": video})
    captions = made(owner, f"/videos/{video}/captions", {
        "language": "en", "label": "English", "text": "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n",
    })  # fmt: skip
    own = {"videos": video, "channels": owner.channel, "comments": comment, "playlists": playlist,
           "playlist_items": item, "captions": captions}  # fmt: skip
    at_id = {f"^/api/v1/{name}/\\{{id\\}}": {"path.id": value} for name, value in own.items()}
    return {
        **at_id,
        "^/api/v1/.*\\{video\\}": {"path.video": video},
        "^/api/v1/.*\\{channel\\}": {"path.channel": owner.channel},
        "^/api/v1/.*\\{playlist\\}": {"path.playlist": playlist},
        "^/api/v1/.*\\{parent\\}": {"path.parent": comment},
    }


def made(owner, path, body):
    """Create something and return its id."""
    answer = owner.post(path, body)
    assert answer.status_code == 201, answer.text
    return answer.json()["_id"]


def fuzz(platform, folder, caller, examples, seed, phases):
    """Make up requests on behalf of somebody; return whether all was well, what the tool said, and the tally."""
    folder, began = Path(folder), time.monotonic()
    somebody = Caller(platform, caller)
    runs = [somebody.start(platform, folder, share, examples, seed, phases) for share in SHARES]
    reported = time.monotonic()
    try:
        while any(process.poll() is None for process, _ in runs):
            time.sleep(0.2)
            if time.monotonic() - reported > REPORT_SECONDS:
                reported = time.monotonic()
                print(row(caller, read_tally(folder, caller), reported - began), flush=True)
    finally:
        for process, _ in runs:
            process.kill()
            process.wait()
    said = [log.read_text() for _, log in runs]
    tally = read_tally(folder, caller)
    tally["seconds"], tally["failures"] = time.monotonic() - began, sum(map(count_failures, said))
    if somebody.token:
        # A sign-in that ended on the way would make the rest hollow.
        said.append(f"signed in to the end: {platform.call('GET', '/me', somebody.token).status_code}")
        assert said[-1].endswith("200"), said[-1]
    return not any(process.returncode for process, _ in runs), "\n".join(said), tally


def read_tally(folder, caller):
    """Return the answers so far: by status class, and by operation."""
    classes, operations = collections.Counter(), collections.Counter()
    for file in folder.glob(f"{caller}.*.json"):
        for operation, statuses in json.loads(file.read_text()).items():
            operations[operation] += sum(statuses.values())
            for status, count in statuses.items():
                classes[f"{status[0]}xx"] += count
    return {"classes": classes, "operations": operations}


def count_failures(said):
    """Return how many failures and errors the last line of the tool names."""
    last = said.rstrip().rsplit("\n", 1)[-1]
    return sum(int(count) for count in re.findall(r"(\d+) (?:failure|error)", last))


def row(name, tally, seconds):
    """Return a line of the table."""
    counts = [tally["classes"][name] for name in CLASSES]
    numbers = [len(tally["operations"]), min(tally["operations"].values(), default=0), sum(counts), *counts]
    return (
        f"{name:<10}"
        + "".join(f"{n:>10,}" for n in (*numbers, tally.get("failures", 0)))
        + f"{seconds:>9.0f} s"
    )


def heading():
    """Return the head of the table."""
    names = ("operations", "fewest", "requests", *CLASSES, "failures")
    return f"{'caller':<10}" + "".join(f"{name:>10}" for name in names) + f"{'time':>11}"


def summed(tallies):
    """Return the tallies of all callers as one."""
    total = {"classes": collections.Counter(), "operations": collections.Counter(), "failures": 0}
    for tally in tallies:
        total["classes"] += tally["classes"]
        total["operations"] += tally["operations"]
        total["failures"] += tally["failures"]
    return total


def main():
    """Run the tool for each caller, print what it found, and a table at the end."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=1000, help="per operation, shared by the callers")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="repeats a run")
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful")
    parser.add_argument("--caller", choices=CALLERS, action="append", help="all three if not said")
    asked = parser.parse_args()
    callers = asked.caller or CALLERS
    each = math.ceil(asked.examples / len(callers))
    print(f"seed {asked.seed}: make test-fuzz ARGS='--seed {asked.seed}' repeats it", flush=True)
    print(
        f"{each} made-up requests per operation for each of {', '.join(callers)}\n\n{heading()}", flush=True
    )
    well, tallies = True, {}
    with (
        tempfile.TemporaryDirectory() as folder,
        Platform(Path(folder) / "copy", ACCESS_TOKEN_SECONDS="86400") as platform,
    ):
        for caller in callers:
            fine, said, tallies[caller] = fuzz(platform, folder, caller, each, asked.seed, asked.phases)
            print(f"\nas {caller}:\n{said}\n\n{heading()}", flush=True)
            well = well and fine
    for caller, tally in tallies.items():
        print(row(caller, tally, tally["seconds"]))
    print(row("in all", summed(tallies.values()), sum(tally["seconds"] for tally in tallies.values())))
    print("All was answered as the document says." if well else "Not all was answered as the document says.")
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
