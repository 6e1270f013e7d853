"""Mixed load by people who write down what they were told: reads, likes, comments, views, uploads, refreshes."""

import json
import random
import secrets
import threading
import time

import urllib3
from bson import ObjectId

from tests.patience import Deadline, patience
from tests.platform import SMALL_CLIP
from tests.prove.ledger import Ledger

FIREFOX = {"User-Agent": "Firefox"}
FILM = SMALL_CLIP.read_bytes()
# Kind of deed -> how many people do that. An upload costs what a hundred others do.
CROWD = {"read": 2, "like": 2, "comment": 1, "view": 1, "refresh": 1, "upload": 1}
PAUSE_SECONDS = 0.02
UNDER_WAY = 2


class Traffic:
    """The crowd; `with Traffic(world) as traffic`, then one `ledger(...)` after the other."""

    def __init__(self, world, crowd=None, seed=1):
        self.world, self.crowd = world, crowd or CROWD
        self.dice = random.Random(seed)
        self.stop, self.going = threading.Event(), threading.Event()
        self.busy, self.idle = 0, threading.Condition()
        self.people, self.threads, self.ledgers = [], [], []
        self.ledger = None
        self.uploads = True

    def __enter__(self):
        world, tag = self.world, secrets.token_hex(3)
        self.owner, self.token, _ = world.person(f"owner{tag}")
        channel = {"handle": f"host{tag}", "name": "Host", "owner": self.owner}
        self.channel = world.store.insert("channels", channel)["_id"]
        self.people = [world.person(f"p{tag}{n}")[:2] for n in range(12)]
        self.probe = world.person(f"probe{tag}")[1]
        number = 0
        for kind, count in self.crowd.items():
            for _ in range(count):
                number += 1
                actor = Actor(self, kind, number)
                self.threads.append(actor)
                actor.start()
        return self

    def __exit__(self, *error):
        self.stop.set()
        self.going.set()
        for thread in self.threads:
            thread.join(90)

    def begin(self, breaks=False, uploads=True):
        """Let the crowd go on, with films that nobody has touched; return the new ledger."""
        facts = {"channel": self.channel, "owner": self.owner, "visibility": "public", "status": "READY"}
        films = [self.world.store.insert("videos", {**facts, "title": f"Film {n}"})["_id"] for n in range(3)]
        self.ledger = Ledger(films, breaks)
        self.ledgers.append(self.ledger)
        self.uploads = uploads
        self.going.set()
        return self.ledger

    def end(self):
        """Let everybody finish what he does, and stand still."""
        self.going.clear()
        with self.idle:
            assert self.idle.wait_for(lambda: self.busy == 0, patience(90)), "somebody was never answered"

    def enter(self):
        """Wait until there is something to do; return the ledger of this deed, None at the end."""
        self.going.wait()
        with self.idle:
            if self.stop.is_set() or not self.going.is_set():
                return None
            self.busy += 1
            return self.ledger

    def leave(self):
        with self.idle:
            self.busy -= 1
            self.idle.notify_all()


class Actor(threading.Thread):
    """Somebody who does one kind of deed, again and again."""

    def __init__(self, traffic, kind, number):
        super().__init__(daemon=True, name=f"{kind}{number}")
        self.traffic, self.kind, self.number = traffic, kind, number
        self.dice = random.Random(number)
        self.pool = urllib3.PoolManager(maxsize=2, retries=False)
        self.refresh_token = self.mine = None
        self.doubt = False
        self.turn = number

    def run(self):
        deed = getattr(self, self.kind)
        while not self.traffic.stop.is_set():
            ledger = self.traffic.enter()
            if ledger is None:
                self.traffic.stop.wait(0.01)
                continue
            try:
                deed(ledger)
            except Exception as error:  # a deed that cannot go on is news for the report
                ledger.wrong.append(f"{self.kind}: {type(error).__name__}: {error}")
            finally:
                self.traffic.leave()
            self.traffic.stop.wait(PAUSE_SECONDS)

    def send(self, ledger, method, path, body=None, token=None, **more):
        """Send a request to one of the instances in turn; return (status, answer)."""
        bases, legal = self.traffic.world.bases, more.pop("legal", ())
        self.turn += 1
        url = f"{bases[self.turn % len(bases)]}/api/v1{path}"
        headers = {**FIREFOX, **more.pop("headers", {})}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers |= {"Content-Type": "application/json"}
            more["body"] = json.dumps(body)
        began = time.monotonic()
        try:
            answer = self.pool.request(method, url, headers=headers, timeout=patience(60), **more)
        except urllib3.exceptions.HTTPError:
            ledger.note(self.kind, 0, time.monotonic() - began, {}, None)
            return 0, None
        told = json.loads(answer.data) if answer.data else None
        if answer.status in legal:
            return answer.status, told
        ledger.note(self.kind, answer.status, time.monotonic() - began, answer.headers, told)
        return answer.status, told

    def insist(self, *request, **more):
        """Send until it is answered, as a client that was told to try again does."""
        deadline = Deadline(60)
        while not deadline.over():
            status, answer = self.send(*request, **more)
            if status and status not in (503, 429):
                return status, answer
            self.traffic.stop.wait(0.2)
        raise TimeoutError("not answered within a minute")

    # The deeds.

    def read(self, ledger):
        film = self.dice.choice(ledger.films)
        paths = ["/videos?max_results=5", f"/videos/{film}", f"/videos/{film}/comments", "/channels"]
        token = self.dice.choice(self.traffic.people)[1] if self.dice.random() < 0.5 else None
        self.send(ledger, "GET", self.dice.choice(paths), token=token)

    def like(self, ledger):
        user, token = self.dice.choice(self.traffic.people[self.number % 2 :: 2])
        film, value = self.dice.choice(ledger.films), self.dice.choice([1, 1, -1, 0])
        path, key = f"/videos/{film}/like", (user, film)
        request = ("PUT", path, {"value": value}) if value else ("DELETE", path)
        status, _ = self.send(ledger, *request, token=token)
        if status == 200:
            ledger.likes[key] = {value}
        else:
            ledger.likes[key] = ledger.likes.get(key, {0}) | {value}

    def comment(self, ledger):
        _, token = self.dice.choice(self.traffic.people)
        text, film = secrets.token_hex(8), self.dice.choice(ledger.films)
        ledger.comments[text] = None
        body = {"text": text, "video": str(film)}
        more = {"token": token, "headers": {"Idempotency-Key": text}}
        deadline = Deadline(60)
        while not deadline.over():
            status, answer = self.send(ledger, "POST", "/comments", body, **more)
            if status == 201:
                ledger.comments[text] = answer["_id"]
                return
            self.traffic.stop.wait(0.2)

    def view(self, ledger):
        film, viewer = self.dice.choice(ledger.films), f"Player/{secrets.token_hex(6)}"
        headers = {"User-Agent": viewer}
        for _ in range(200):
            status, answer = self.send(
                ledger, "POST", f"/videos/{film}/views", {"position": 1}, headers=headers
            )
            if status == 200:
                paused = answer["reason"] == "counting_paused"
                (ledger.doubtful if paused else ledger.pairs).add((film, viewer))
                return
            self.traffic.stop.wait(0.2)

    def refresh(self, ledger):
        if self.refresh_token is None:
            self.sign_in()
        # An answer that was lost is given again within the grace; after it the used token is a stolen one.
        legal = {401} if self.doubt else set()
        body = {"refresh_token": self.refresh_token}
        status, answer = self.send(ledger, "POST", "/auth/refresh", body, legal=legal)
        doubted, self.doubt = self.doubt, status in (0, 503)
        if status == 200:
            # The first of the two may still be on its way; it would look like theft once the successor was used.
            self.refresh_token = None if doubted else answer["refresh_token"]
            self.insist(ledger, "GET", "/me", token=answer["access_token"])
        elif status == 401:
            self.refresh_token = None
        self.traffic.stop.wait(0.2)

    def sign_in(self):
        if self.mine is None:
            self.mine = self.traffic.world.person(f"r{secrets.token_hex(4)}")
            self.refresh_token = self.mine[2]
            return
        from features.identity.sessions import Sessions

        world = self.traffic.world
        begun = Sessions(world.services, world.store).start(self.mine[0], "test", "127.0.0.1")
        self.refresh_token = begun.refresh_token

    def upload(self, ledger):
        world = self.traffic.world
        ended = {"_id": {"$in": ledger.uploads}, "status": {"$in": ["READY", "FAILED"]}}
        if (
            not self.traffic.uploads
            or len(ledger.uploads) - world.db.videos.count_documents(ended) >= UNDER_WAY
        ):
            self.traffic.stop.wait(0.1)
            return
        facts = {"channel": str(self.traffic.channel), "title": "An upload"}
        status, answer = self.send(ledger, "POST", "/videos", facts, token=self.traffic.token)
        if status != 201:
            return
        fields = {"file": ("film.mp4", FILM)}
        path = f"/videos/{answer['_id']}/upload"
        status, _ = self.send(ledger, "POST", path, token=self.traffic.token, fields=fields)
        if status == 202:
            ledger.uploads.append(ObjectId(answer["_id"]))
        self.traffic.stop.wait(0.5)
