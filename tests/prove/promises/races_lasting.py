"""What goes on for longer than a request ends when the session, key or account that it rests on does, anywhere."""

import http.client
import secrets
import tempfile
import time
from urllib.parse import urlsplit

from tests.platform import SMALL_CLIP
from tests.prove.row import Row
from tests.prove.world import World

FILM = SMALL_CLIP.read_bytes()
PARTS = ("beat", "worker", "api", "api2")
# A look a second, and what a busy machine takes for it.
LATE_SECONDS = 3.0


def run(quick):
    with tempfile.TemporaryDirectory() as folder, World(folder, parts=PARTS) as world:
        lasting, times = Lasting(world), 2 if quick else 10
        return [lasting.streams(times), lasting.uploads(times)]


class Lasting:
    """Begins at one instance, ends the right to it at the other."""

    def __init__(self, world):
        self.world = world
        self.admin = world.person("ruler", role="admin")[1]
        self.lines = [urlsplit(base).netloc for base in world.bases]

    def ask(self, line, method, path, token, body=None, **headers):
        """Send a request, without waiting for the answer."""
        connection = http.client.HTTPConnection(line, timeout=70)
        headers |= {"Authorization": f"Bearer {token}"}
        connection.request(method, f"/api/v1{path}", body=body, headers=headers)
        return connection

    def streams(self, times):
        """Streams of somebody who logs out."""
        late = []
        for turn in range(times):
            token = self.world.person(f"s{secrets.token_hex(4)}")[1]
            here, there = self.lines[turn % 2], self.lines[(turn + 1) % 2]
            stream = self.ask(here, "GET", "/me/stream", token)
            answer = stream.getresponse()
            answer.readline()
            assert self.ask(there, "POST", "/auth/logout", token).getresponse().status == 204
            began = time.monotonic()
            answer.read()
            late.append(time.monotonic() - began)
            stream.close()
        lost = sum(seconds > LATE_SECONDS for seconds in late)
        return Row("A stream ends with its session", "logout at another instance while a stream is open", times, lost,
                   f"ended after {max(late):.1f} s at most", not lost)  # fmt: skip

    def uploads(self, times):
        """Films of somebody who is suspended while the second half is on its way."""
        published, statuses = 0, set()
        for turn in range(times):
            user, token, _ = self.world.person(f"u{secrets.token_hex(4)}")
            film, path = self.begin(user, token)
            line = http.client.HTTPConnection(self.lines[turn % 2], timeout=70)
            line.putrequest("PATCH", path)
            for name, value in self.headers(token).items():
                line.putheader(name, value)
            line.endheaders(FILM[: len(FILM) // 2])
            self.suspend(user, self.lines[(turn + 1) % 2])
            line.send(FILM[len(FILM) // 2 :])
            statuses.add(line.getresponse().status)
            line.close()
            stored = self.world.db.videos.find_one({"_id": film})
            published += stored["status"] != "DRAFT" or bool(self.world.spool)
        return Row("A suspended account's upload comes to nothing", "suspension while a film is being received", times,
                   published, f"answers {sorted(statuses)}", not published and statuses == {401})  # fmt: skip

    def suspend(self, user, line):
        headers = {"If-Match": "*", "Content-Type": "application/json"}
        answer = self.ask(line, "PATCH", f"/users/{user}", self.admin, '{"status": "suspended"}', **headers)
        assert answer.getresponse().status == 200

    def headers(self, token):
        return {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0", "Upload-Offset": "0",
                "Content-Type": "application/offset+octet-stream", "Content-Length": str(len(FILM))}  # fmt: skip

    def begin(self, user, token):
        """Return the id of a public video and the path of its upload."""
        store = self.world.store
        channel = store.insert(
            "channels", {"handle": f"c{secrets.token_hex(4)}", "name": "C", "owner": user}
        )["_id"]
        facts = {"channel": channel, "owner": user, "title": "x", "visibility": "public", "status": "DRAFT"}
        film = store.insert("videos", facts)["_id"]
        headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(FILM))}
        answer = self.ask(self.lines[0], "POST", f"/videos/{film}/uploads", token, **headers).getresponse()
        assert answer.status == 201, answer.read()
        return film, urlsplit(answer.headers["Location"]).path
