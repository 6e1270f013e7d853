"""Requests that schemathesis makes up from the document, against a running copy: `python -m tests.fuzz`, and CI."""

import argparse
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.platform import ROOT, Person, Platform

TOOL = ROOT / "tests" / "tools" / ".venv" / "bin" / "schemathesis"
HOOKS = ROOT / "tests" / "tools" / "schemathesis_hooks.py"
CALLERS = ("anonymous", "user", "admin")
PASSWORD = "a phrase that no example shows"
# These end the sign-in of all that follows, or do not end.
APART = ("/api/v1/auth/logout", "/api/v1/auth/logout-all", "/api/v1/sessions/{id}", "/api/v1/me/stream")
# Two processes share the work: the tool is bound to one core.
HALVES = ("--include-path-regex=^/api/v1/[a-p]", "--exclude-path-regex=^/api/v1/[a-p]")
# A body that fits its schema may still name what does not exist, or a token that was never made: that check is out.
OUT = "positive_data_acceptance"
CONFIG = """
# What is asked for and not sent is refused by 428 and 412 too (RFC 6585, RFC 9110).
[checks.missing_required_header]
expected-statuses = [400, 401, 403, 404, 406, 409, 412, 415, 422, 428]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 428, 429]
# Who may not know of a thing is told 404, not 401.
[checks.ignored_auth]
enabled = false
# URLs that people wrote are not always such: the tool must not follow what stands in answers.
[phases.examples.extra-data-sources]
responses = false
[phases.coverage.extra-data-sources]
responses = false
[phases.fuzzing.extra-data-sources]
responses = false
[[operations]]
include-path = "/api/v1"
checks.unsupported_method.enabled = false
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

    def start(self, platform, folder, half, examples, seed, phases):
        """Start the tool for one half of the operations."""
        command = [
            TOOL, "--config-file", self.write_config(folder), "run", f"{platform.base}/openapi.json", half,
            "--phases", phases, "--max-examples", str(examples), "--seed", str(seed), "--exclude-checks", OUT, *PLAIN,
            *(word for path in APART for word in ("--exclude-path", path)),
            *(("--header", f"Authorization: Bearer {self.token}") if self.token else ()),
        ]  # fmt: skip
        return subprocess.Popen([str(word) for word in command], cwd=folder, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)  # fmt: skip


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
    """Make up requests on behalf of somebody; return whether all was well, and what the tool said."""
    somebody = Caller(platform, caller)
    runs = [somebody.start(platform, Path(folder), half, examples, seed, phases) for half in HALVES]
    said = [run.communicate()[0] for run in runs]
    if somebody.token:
        # A sign-in that ended on the way would make the rest hollow.
        said.append(f"signed in to the end: {platform.call('GET', '/me', somebody.token).status_code}")
        assert said[-1].endswith("200"), said[-1]
    return not any(run.returncode for run in runs), "\n".join(said)


def main():
    """Run the tool for each caller and print what it found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=1000, help="made-up requests per operation")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="repeats a run")
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful")
    parser.add_argument("--caller", choices=CALLERS, action="append", help="all three if not said")
    asked = parser.parse_args()
    print(f"seed {asked.seed}: make test-fuzz ARGS='--seed {asked.seed}' repeats it", flush=True)
    well = True
    with (
        tempfile.TemporaryDirectory() as folder,
        Platform(Path(folder) / "copy", ACCESS_TOKEN_SECONDS="86400") as platform,
    ):
        for caller in asked.caller or CALLERS:
            fine, said = fuzz(platform, folder, caller, asked.examples, asked.seed, asked.phases)
            print(f"\nas {caller}:\n{said}", flush=True)
            well = well and fine
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
