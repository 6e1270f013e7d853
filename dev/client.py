"""A small client of the API, standard library only: what the demo and the tour speak through."""

import json
import mimetypes
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.errors import StackError
from settings import PREFIX

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through http_proxy
Watcher = Callable[[str, str, Any, int, Any], None]


@dataclass
class Client:
    """One caller. `watch` is told of every exchange: method, path, body sent, status, answer."""

    url: str
    token: str = ""
    watch: Watcher = lambda method, path, body, status, answer: None

    def call(self, method: str, path: str, body: Any = None, key: str = "", etag: str = "") -> Any:
        """Send JSON and return the answer's JSON; a refusal is a StackError that quotes it."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        headers |= {"Idempotency-Key": key} if key else {}
        headers |= {"If-Match": etag} if etag else {}
        return self.send(method, path, data, headers, body)

    def upload(self, path: str, file: Path, key: str = "") -> Any:
        """Send a file as the multipart field `file`."""
        boundary = secrets.token_hex(16)
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n'
            f"Content-Type: {kind}\r\n\r\n"
        )
        data = head.encode() + file.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        headers |= {"Idempotency-Key": key} if key else {}
        return self.send("POST", path, data, headers, f"@{file.name} ({file.stat().st_size} bytes)")

    def send(self, method: str, path: str, data: bytes | None, headers: dict[str, str], shown: Any) -> Any:
        """Make one request; wait and repeat while the API says 429 or 503 with Retry-After."""
        headers = {"Accept": "application/json", **headers}
        headers |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        for _ in range(20):
            request = urllib.request.Request(self.url + PREFIX + path, data, headers, method=method)
            status, wait, answer = exchange(request)
            if status not in (429, 503) or not wait:
                break
            time.sleep(min(float(wait), 10))
        self.watch(method, PREFIX + path, shown, status, answer)
        if status >= 400:
            raise StackError(f"{method} {PREFIX}{path} was refused with {status}: {explain(answer)}")
        return answer

    def sign_in(self, username: str, password: str) -> "Client":
        """Return a client with this account's access token."""
        tokens = self.call("POST", "/auth/login", {"login": username, "password": password})
        return Client(self.url, tokens["access_token"], self.watch)

    def await_video(self, video: str, seconds: float, each: Callable[[str], None]) -> Any:
        """Poll a video until it is READY; StackError when it is FAILED or time is up."""
        quiet = Client(self.url, self.token)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = quiet.call("GET", f"/videos/{video}")
            each(found["status"])
            if found["status"] == "READY":
                return found
            if found["status"] in ("FAILED", "BLOCKED"):
                raise StackError(f"The video is {found['status']}: {found.get('status_detail')}")
            time.sleep(0.5)
        raise StackError(f"The video was not READY after {seconds:.0f} s.")


def exchange(request: urllib.request.Request) -> tuple[int, str, Any]:
    """Send a request; return status, Retry-After and the body, parsed where it is JSON."""
    try:
        with DIRECT.open(request, timeout=60) as response:
            return response.status, "", parse(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("Retry-After") or "", parse(error.read())
    except (urllib.error.URLError, OSError) as error:
        raise StackError(
            f"{request.host} does not answer ({getattr(error, 'reason', error)}): "
            "start a copy with `make run`, or give --url."
        ) from error


def parse(body: bytes) -> Any:
    """Read JSON; other bodies come back as text, empty ones as None."""
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode(errors="replace")


def explain(answer: Any) -> str:
    """Shorten an error body to the words for people."""
    if not isinstance(answer, dict):
        return str(answer)[:200]
    issues = answer.get("issues") or answer.get("_issues") or ""
    return f"{answer.get('detail') or answer.get('title') or answer} {issues}".strip()
