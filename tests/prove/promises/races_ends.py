"""Two who want the same at once end in one of the legal ends, each time."""

import secrets
import tempfile
import threading
import time
from collections import Counter

import requests
from bson import ObjectId

from machine.counters.recount import verify
from tests.platform import CLIPS, PASSWORD, SMALL_CLIP, poll
from tests.prove.row import Row
from tests.prove.world import World
from tests.stored import stored_names

FILMS = [SMALL_CLIP.read_bytes(), (CLIPS / "carphone_distorted.mp4").read_bytes()]
PARTS = ("beat", "worker", "api", "api2")


def run(quick):
    with (
        tempfile.TemporaryDirectory() as folder,
        World(folder, parts=PARTS, PURGE_AFTER_SECONDS="1") as world,
    ):
        race = Race(world)
        times = 3 if quick else 20
        return [
            race.row("One of 20 gets a name", race.name, 2 if quick else 10,
                     "20 register one user name, in several spellings, at two instances",
                     "one account and one 201; for the others 409, or 503 while passwords are being hashed"),
            race.row("One of 20 gets a handle", race.handle, times, "20 make a channel of one handle",
                     "one channel and one 201; 409 for the others"),
            race.row("Like and unlike leave one opinion", race.like, times, "24 ratings of one user, and their removal",
                     "at most one document; the counters are what it says; each answer 200"),
            race.row("Publish and delete leave nothing in public", race.publish, times * 3,
                     "the owner publishes and deletes one video", "deleted, seen by nobody; publish said 200 or 404"),
            race.row("Upload and delete leave no file", race.upload_delete, times, "upload and delete of one video",
                     "deleted; upload said 202, 404 or 409; after the purge no file, no spool"),
            race.row("Of two uploads one is kept", race.upload_upload, times, "two films for one video",
                     "READY with one file, that of the last 202; the other said 202 before it or 409"),
            race.row("Refresh and logout end the session", race.refresh, times * 3, "refresh and logout of one session",
                     "logout said 204, or 401 was refresh's; no token of the session works afterwards"),
            race.row("A role that was taken is not used again", race.role, times,
                     "an administrator is made a user while reading the audit log at two instances",
                     "200 before that was answered, 403 for every request begun afterwards"),
        ]  # fmt: skip


class Race:
    """The races, each with what is illegal about its end."""

    def __init__(self, world):
        self.world, self.db = world, world.db
        self.owner, self.token, _ = world.person("owner")
        self.channel = world.store.insert(
            "channels", {"handle": "host", "name": "Host", "owner": self.owner}
        )["_id"]
        self.admin = world.person("ruler", role="admin")[1]

    def row(self, promise, race, times, done, ends):
        """Run a race so often and return its row."""
        seen, wrong = Counter(), []
        for _ in range(times):
            statuses, faults = race()
            seen[statuses] += 1
            wrong += faults
        figure = "ends: " + ", ".join(f"{end} × {n}" for end, n in seen.most_common(4))
        print(promise, dict(seen), wrong, flush=True)
        notes = "; ".join([f"legal: {ends}", *wrong[:4]])
        return Row(promise, done, times, len(wrong), figure, not wrong, notes)

    def ask(self, method, path, token=None, turn=0, **more):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        base = self.world.bases[turn % 2]
        more.setdefault("timeout", 60)
        return requests.request(
            method, f"{base}/api/v1{path}", headers={**headers, **more.pop("headers", {})}, **more
        )

    def delete(self, path, token, turn=0):
        return self.ask("DELETE", path, token, turn, headers={"If-Match": "*"})

    def video(self, **values):
        facts = {
            "channel": self.channel,
            "owner": self.owner,
            "title": "Raced",
            "visibility": "private",
            **values,
        }
        return self.world.store.insert("videos", facts)["_id"]

    def name(self):
        name = "n" + secrets.token_hex(4)
        spellings = [name, name.upper(), name.capitalize()]

        def register(n):
            body = {"username": spellings[n % 3], "email": f"{name}{n}@example.org", "password": PASSWORD}
            return self.ask("POST", "/auth/register", turn=n, json=body).status_code

        statuses = at_once([lambda n=n: register(n) for n in range(20)])
        count = self.db.users.count_documents({"username": {"$in": spellings}})
        owned = self.db.credentials.count_documents({"_id": {"$in": self.db.users.distinct("_id")}})
        wrong = [] if statuses.count(201) == 1 == count else [f"{count} accounts, {Counter(statuses)}"]
        wrong += [] if set(statuses) <= {201, 409, 503} else [f"statuses {set(statuses)}"]
        left = self.db.credentials.count_documents({}) - owned
        return tally(statuses), wrong + ([f"{left} credentials of nobody"] if left else [])

    def handle(self):
        handle = "h" + secrets.token_hex(4)
        tokens = [self.world.person(f"u{secrets.token_hex(4)}")[1] for _ in range(20)]
        body = {"handle": handle, "name": "Raced"}
        statuses = at_once(
            [
                lambda n=n: self.ask("POST", "/channels", tokens[n], n, json=body).status_code
                for n in range(20)
            ]
        )
        count = self.db.channels.count_documents({"handle": handle})
        fine = count == 1 and sorted(set(statuses)) == [201, 409] and statuses.count(201) == 1
        return tally(statuses), [] if fine else [f"{count} channels, {Counter(statuses)}"]

    def like(self):
        user, token, _ = self.world.person(f"l{secrets.token_hex(4)}")
        film = self.video(visibility="public", status="READY")

        def rate(n):
            if n % 3 == 2:
                return self.ask("DELETE", f"/videos/{film}/like", token, n).status_code
            return self.ask(
                "PUT", f"/videos/{film}/like", token, n, json={"value": 1 - 2 * (n % 3)}
            ).status_code

        statuses = at_once([lambda n=n: rate(n) for n in range(24)])
        found = [one["value"] for one in self.db.likes.find({"user": user, "target": film})]
        counters = self.db.videos.find_one({"_id": film})["counters"]
        counted = (counters["likes"], counters["dislikes"])
        fine = len(found) <= 1 and counted == (found.count(1), found.count(-1)) and set(statuses) == {200}
        return tally(statuses), [] if fine else [
            f"documents {found}, counters {counted}, {Counter(statuses)}"
        ]

    def publish(self):
        film = self.video(visibility="private", status="READY")
        answers = at_once([
            lambda: self.ask("POST", f"/videos/{film}/publish", self.token, 0),
            lambda: self.delete(f"/videos/{film}", self.token, 1),
        ])  # fmt: skip
        statuses = [answer.status_code for answer in answers]
        wrong = [] if statuses[0] in (200, 404) and statuses[1] in (204, 412) else [f"answers {statuses}"]
        if statuses[1] == 412:
            self.delete(f"/videos/{film}", self.token)
        seen = [self.ask("GET", f"/videos/{film}", turn=n).status_code for n in range(2)]
        listed = str(film) in self.ask("GET", f'/videos?where={{"channel":"{self.channel}"}}').text
        wrong += [] if seen == [404, 404] and not listed else [f"seen {seen}, listed {listed}"]
        return tally(statuses), wrong + self.drift("channels")

    def drift(self, resource):
        """Return what is wrong with the counters, once they have settled."""
        found = lambda: [d for d in verify(self.world.store, settle=0.01) if d.resource == resource]  # noqa: E731
        try:
            poll(lambda: not found(), 15, "counters")
        except AssertionError:
            return [f"{d.counter} is {d.stored}, counted {d.counted}" for d in found()]
        return []

    def upload(self, film, turn):
        path, file = f"/videos/{film}/upload", {"file": ("a.mp4", FILMS[turn])}
        return self.ask("POST", path, self.token, turn, files=file).status_code

    def upload_delete(self):
        film = self.video(visibility="private", status="DRAFT")
        statuses = at_once([
            lambda: self.upload(film, 0),
            lambda: self.delete(f"/videos/{film}", self.token, 1).status_code,
        ])  # fmt: skip
        fine = statuses[0] in (202, 404, 409) and statuses[1] in (204, 412)
        if statuses[1] == 412:
            self.delete(f"/videos/{film}", self.token)
        wrong = [] if fine else [f"answers {statuses}"]
        try:
            poll(lambda: not self.db.videos.find_one({"_id": film}), 40, "the purge")
            poll(lambda: not stored_names(self.world, film) and not self.world.spool, 40, "no file left")
        except AssertionError as error:
            wrong.append(f"{error}: {self.db.videos.find_one({'_id': film})}, {self.world.spool}")
        return tally(statuses), wrong

    def upload_upload(self):
        film = self.video(visibility="private", status="DRAFT")
        statuses = at_once([lambda: self.upload(film, 0), lambda: self.upload(film, 1)])
        wrong = [] if set(statuses) <= {202, 409} and 202 in statuses else [f"answers {statuses}"]
        done = {"_id": film, "status": "READY", "pending_media": None}
        try:
            shown = poll(lambda: self.db.videos.find_one(done), 60, "READY")
            poll(lambda: stored_names(self.world, film) == [shown["media"]["public_id"]], 30, "one file")
        except AssertionError as error:
            wrong.append(f"{error}: {stored_names(self.world, film)}")
        self.delete(f"/videos/{film}", self.token)
        return tally(statuses), wrong

    def refresh(self):
        _, access, token = self.world.person(f"r{secrets.token_hex(4)}")
        answers = at_once([
            lambda: self.ask("POST", "/auth/refresh", turn=0, json={"refresh_token": token}),
            lambda: self.ask("POST", "/auth/logout", access, 1),
        ])  # fmt: skip
        statuses = [answer.status_code for answer in answers]
        wrong = [] if statuses[0] in (200, 401) and statuses[1] == 204 else [f"answers {statuses}"]
        told = answers[0].json() if statuses[0] == 200 else {}
        for one in filter(None, (access, told.get("access_token"))):
            after = [self.ask("GET", "/me", one, n).status_code for n in range(2)]
            wrong += [] if after == [401, 401] else [f"an access token gives {after}"]
        for one in filter(None, (token, told.get("refresh_token"))):
            after = self.ask("POST", "/auth/refresh", json={"refresh_token": one}).status_code
            wrong += [] if after in (401, 409) else [f"a refresh token gives {after}"]
        return tally(statuses), wrong

    def role(self):
        user, token, _ = self.world.person(f"a{secrets.token_hex(4)}", role="admin")
        began, stop, seen = threading.Event(), threading.Event(), []
        taken = []

        def use(turn):
            while not stop.is_set():
                moment = time.monotonic()
                seen.append((moment, self.ask("GET", "/audit_log?max_results=1", token, turn).status_code))
                began.set()

        def take():
            began.wait(10)
            path, body = f"/users/{ObjectId(user)}", {"role": "user"}
            answer = self.ask("PATCH", path, self.admin, 0, json=body, headers={"If-Match": "*"})
            taken.append(time.monotonic())
            time.sleep(0.3)
            stop.set()
            return answer.status_code

        status = at_once([take, lambda: use(0), lambda: use(1)])[0]
        late = [answer for moment, answer in seen if moment > taken[0]]
        wrong = (
            []
            if status == 200 and late and set(late) == {403}
            else [f"PATCH {status}, later {Counter(late)}"]
        )
        wrong += [] if {answer for _, answer in seen} <= {200, 403} else [f"{Counter(a for _, a in seen)}"]
        return "200 until it was taken, then 403" if not wrong else "wrong", wrong


def tally(statuses):
    """Write answers down as text, the most frequent last."""
    return " + ".join(f"{n}×{status}" for status, n in sorted(Counter(statuses).items()))


def at_once(calls):
    """Run calls from as many threads, all released together; return what they return, in their order."""
    barrier, results = threading.Barrier(len(calls)), [None] * len(calls)

    def one(n):
        barrier.wait()
        results[n] = calls[n]()

    threads = [threading.Thread(target=one, args=(n,)) for n in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
