"""The tour of a running copy: from an empty account to a playing film, every request and answer shown."""

import json
import secrets
from pathlib import Path
from textwrap import indent
from typing import Any

import click

from dev.client import DIRECT, Client

SECRET_FIELDS = ("password", "access_token", "refresh_token")
READY_SECONDS = 300
LONGEST_ANSWER = 1600
MARGIN = "    "


def tour(url: str, clip: Path) -> None:
    """Walk through the platform as two new people would."""
    mark = secrets.token_hex(3)
    guest = Client(url, watch=show_exchange)
    title("What is here: everything is reached by links from the root")
    guest.call("GET", "/")

    title("An owner signs up and makes a channel")
    owner = sign_up(guest, f"owner-{mark}")
    channel = owner.call("POST", "/channels", {"handle": f"films-{mark}", "name": "Films"})

    title("A video is made, and its film uploaded")
    draft = {"channel": channel["_id"], "title": "A short film", "visibility": "public"}
    video = owner.call("POST", "/videos", draft)["_id"]
    owner.upload(f"/videos/{video}/upload", clip)
    click.echo(f"\n  waiting for thumbnail, renditions and HLS of {clip.name} ...")
    owner.await_video(video, READY_SECONDS, lambda status: None)
    owner.call("GET", f"/videos/{video}")

    title("Someone else watches, likes and comments")
    viewer = sign_up(guest, f"viewer-{mark}")
    playback = viewer.call("GET", f"/videos/{video}/playback")
    viewer.call("PUT", f"/videos/{video}/like", {"value": 1})
    viewer.call("POST", f"/videos/{video}/comments", {"text": "Seen to the end."})
    guest.call("GET", f"/videos/{video}")

    title("It plays")
    click.echo(indent(fetch(playback["hls"]), MARGIN))
    click.secho(f"\nplay it: {playback['hls']}", bold=True)
    click.echo(f"as mp4:  {playback['mp4']}\nuntil:   {playback['expires_at']}")


def sign_up(guest: Client, name: str) -> Client:
    """Register an account with a random password and sign in."""
    password = secrets.token_urlsafe(12)
    account = {"username": name, "email": f"{name}@example.org", "password": password}
    guest.call("POST", "/auth/register", account)
    return guest.sign_in(name, password)


def fetch(url: str) -> str:
    """Read a playlist the way that a player does: no headers, no token."""
    with DIRECT.open(url, timeout=30) as response:
        text: str = response.read(4000).decode(errors="replace")
    return text


def title(text: str) -> None:
    """Head a chapter."""
    click.secho(f"\n{text}", bold=True)


def show_exchange(method: str, path: str, body: Any, status: int, answer: Any) -> None:
    """Print one request and its answer, secrets shortened."""
    click.secho(f"\n  {method} {path}", fg="cyan", nl=body is None)
    if body is not None:
        click.echo(f"  {body if isinstance(body, str) else json.dumps(shorten(body))}")
    click.secho(f"  {status}", fg="green" if status < 400 else "red")
    text = answer if isinstance(answer, str) else json.dumps(shorten(answer), indent=2)
    shown = text if len(text) < LONGEST_ANSWER else text[:LONGEST_ANSWER] + "\n... (shortened)"
    click.echo(indent(shown, MARGIN))


def shorten(value: Any) -> Any:
    """Cut the secrets in a JSON value down to their first characters."""
    if isinstance(value, dict):
        return {
            key: f"{inner[:6]}..." if key in SECRET_FIELDS and isinstance(inner, str) else shorten(inner)
            for key, inner in value.items()
        }
    return [shorten(inner) for inner in value] if isinstance(value, list) else value
