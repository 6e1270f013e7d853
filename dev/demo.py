"""Fill a new copy with a few accounts, channels and real films, through its public API and pipeline.

`python -m dev.demo --url http://127.0.0.1:8000`; the supervisor runs it once, after the first start. It keeps
what it has done in the data directory, so that an interrupted run goes on where it was.
"""

import json
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any

import click

from dev.client import Client
from dev.clips import find_clip
from dev.datadir import write_private
from dev.errors import StackError

READY_SECONDS = 300
CHANNELS = (
    {
        "user": "alice",
        "channel": {
            "handle": "meadow",
            "name": "Meadow Pictures",
            "description": "Short animated films with animals in them.",
        },
        "clip": "bigbuckbunny.mp4",
        "video": {
            "title": "Big Buck Bunny: the butterfly",
            "description": "From the open film Big Buck Bunny, (c) Blender Foundation, CC BY 3.0.",
            "tags": ["animation", "rabbit"],
            "visibility": "public",
        },
    },
    {
        "user": "bob",
        "channel": {
            "handle": "streetlife",
            "name": "Street Life",
            "description": "What passes by when a camera stands still.",
        },
        "clip": "bikes.mp4",
        "video": {
            "title": "Bikes at the crossing",
            "description": "Ten seconds of a street with bicycles.",
            "tags": ["street", "bicycle"],
            "visibility": "public",
        },
    },
)


class Progress:
    """What has been done so far, kept in a file: step -> what the step gave."""

    def __init__(self, file: Path) -> None:
        self.file = file
        kept = {"run": secrets.token_hex(6), "password": secrets.token_urlsafe(12)}
        self.done: dict[str, Any] = json.loads(file.read_text()) if file.exists() else kept

    def once(self, step: str, client: Client, method: str, path: str, body: Any) -> Any:
        """Make a request unless an earlier run has; the key keeps a repeated one from doubling."""
        if step not in self.done:
            answer = client.call(method, path, body, key=f"demo-{self.done['run']}-{step}")
            self.done[step] = (answer or {}).get("_id", True)
            self.save()
        return self.done[step]

    def save(self) -> None:
        """Write the file."""
        write_private(self.file, json.dumps(self.done, indent=1))


def fill(url: str, folder: Path) -> None:
    """Make the accounts, channels and videos, then let them meet."""
    progress, begin = Progress(folder / "demo.json"), time.monotonic()
    clients, videos = {}, {}
    for number, entry in enumerate(CHANNELS, 1):
        name = str(entry["user"])
        clients[name] = register(progress, Client(url), name)
        videos[name] = publish(progress, clients[name], entry, f"{number}/{len(CHANNELS)}")
    meet(progress, clients, videos)
    (folder / "demo.done").touch()
    password, seconds = progress.done["password"], time.monotonic() - begin
    say(f"filled in {seconds:.0f} s; sign in as alice or bob, password {password}")


def register(progress: Progress, client: Client, name: str) -> Client:
    """Make an account and sign in."""
    password = progress.done["password"]
    progress.save()
    account = {"username": name, "email": f"{name}@example.org", "password": password}
    progress.once(f"{name}-register", client, "POST", "/auth/register", account)
    return client.sign_in(name, password)


def publish(progress: Progress, client: Client, entry: dict[str, Any], count: str) -> str:
    """Make a channel and a video in it, upload the clip, and wait until it plays."""
    name, title = entry["user"], entry["video"]["title"]
    channel = progress.once(f"{name}-channel", client, "POST", "/channels", entry["channel"])
    video: str = progress.once(
        f"{name}-video", client, "POST", "/videos", {"channel": channel, **entry["video"]}
    )
    if f"{name}-upload" not in progress.done:
        clip = find_clip(entry["clip"])
        say(f"{count} uploading {title!r} ({clip.stat().st_size / 1e6:.1f} MB)")
        client.upload(f"/videos/{video}/upload", clip, key=f"demo-{progress.done['run']}-{name}-upload")
        progress.done[f"{name}-upload"] = True
        progress.save()
    begin, seen = time.monotonic(), ""

    def show(status: str) -> None:
        nonlocal seen
        if status != seen:
            say(f"{count} {title!r} is {status} after {time.monotonic() - begin:.0f} s")
        seen = status

    client.await_video(video, READY_SECONDS, show)
    return video


def meet(progress: Progress, clients: dict[str, Client], videos: dict[str, str]) -> None:
    """Let the two comment on and like each other's film, and follow each other's channel."""
    lines = {"alice": "The light on the wet street is lovely.", "bob": "That butterfly had it coming."}
    for name, other in (("alice", "bob"), ("bob", "alice")):
        client, video = clients[name], videos[other]
        progress.once(f"{name}-comment", client, "POST", f"/videos/{video}/comments", {"text": lines[name]})
        progress.once(f"{name}-like", client, "PUT", f"/videos/{video}/like", {"value": 1})
        channel = progress.done[f"{other}-channel"]
        progress.once(f"{name}-follow", client, "PUT", f"/channels/{channel}/subscription", None)
    say("comments, likes and subscriptions made")


def say(text: str) -> None:
    """Print one progress line at once."""
    print(text, flush=True)


@click.command()
@click.option("--url", required=True, help="Where the copy answers.")
def main(url: str) -> None:
    """Fill the copy at URL."""
    try:
        fill(url.rstrip("/"), Path(os.environ.get("DATA_DIR", ".data")))
    except StackError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
