"""Storms through real API processes that are killed in the middle, and flushers that die at each of their steps."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3
from bson import ObjectId
from pymongo.errors import PyMongoError

from assembly import create_app
from features.views.flush_jobs import flush_views
from machine.counters.recount import verify
from settings import Settings
from tests.conftest import sign_up
from tests.features.views.flusher import IN_THE_WAY, STEPS
from tests.patience import Deadline, patience
from tests.platform import ROOT, Platform, poll
from tests.studio import Studio, Town

pytestmark = pytest.mark.timeout(900)
THREADS = 16
PEOPLE, ROUNDS = 200, 12
VIEWERS, HEARTBEATS, LOT = 1000, 100_000, 50
FIREFOX = {"User-Agent": "Firefox"}


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    """Two API processes, and an application in this one that looks at the same data."""
    platform = Platform(tmp_path_factory.mktemp("storm"), parts=("api",))
    platform.stack.plan.api_workers = 2
    with platform:
        with warnings.catch_warnings():
            app = create_app(Settings.from_env({**platform.stack.env}, rate_limits=False))
        platform.app = app
        # The transaction of a dead client stands in the way of others until MongoDB ends it; not for a minute here.
        app.services.mongo.admin.command({"setParameter": 1, "transactionLifetimeLimitSeconds": 2})
        platform.alice = sign_up(app, "alice")
        platform.pool = urllib3.PoolManager(maxsize=THREADS, retries=False)
        yield platform
        platform.pool.clear()
        app.services.close()


def send(platform, method, path, body=None, token=None, **headers):
    """Send one request; return (status, answer), or (0, None) where nobody answered."""
    headers = {**FIREFOX, **headers, **({"Authorization": f"Bearer {token}"} if token else {})}
    content = json.dumps(body) if body is not None else None
    headers |= {"Content-Type": "application/json"} if content else {}
    try:
        answer = platform.pool.request(
            method, f"{platform.base}/api/v1{path}", body=content, headers=headers, timeout=patience(30)
        )
    except urllib3.exceptions.HTTPError:
        return 0, None
    return answer.status, json.loads(answer.data) if answer.data else None


def insist(platform, *request, **more):
    """Send a request until it is answered."""
    deadline = Deadline(60)
    while True:
        status, answer = send(platform, *request, **more)
        if status and status != 503:
            return status, answer
        assert not deadline.over(), "the API did not come back"
        time.sleep(0.05)


def api_processes(platform):
    """Return the pids of the processes that answer requests."""
    pid = platform.pid("api")
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_likes_survive_an_api_that_is_killed_in_the_middle(platform):
    """Each thread is some people, one after the other; what each was told last is what must stand."""
    app, studio, town = platform.app, Studio(platform.app, platform.alice), Town(platform.app)
    films, people = [studio.film() for _ in range(4)], town.some(PEOPLE)
    told, done, lock = {}, Counter(), threading.Lock()

    def live(some, seed):
        dice = random.Random(seed)
        for _ in range(ROUNDS):
            for one in some:
                film, value = dice.choice(films), dice.choice([1, -1, 0])
                request = (
                    ("PUT", f"/videos/{film}/like", {"value": value})
                    if value
                    else ("DELETE", f"/videos/{film}/like")
                )
                status, answer = insist(platform, *request, token=one.token)
                assert status == 200, answer
                with lock:
                    told[one.user["_id"], ObjectId(film)] = value
                    done["requests"] += 1

    with ThreadPoolExecutor(THREADS) as pool:
        lives = [pool.submit(live, people[n::THREADS], n) for n in range(THREADS)]
        kills = [
            lambda: os.kill(api_processes(platform)[0], signal.SIGKILL),
            lambda: platform.stack.kill("api"),
            lambda: os.kill(api_processes(platform)[-1], signal.SIGKILL),
        ]
        for number, kill in enumerate(kills, 1):
            while done["requests"] < number * PEOPLE * ROUNDS // 4 and not any(one.done() for one in lives):
                time.sleep(0.01)
            kill()
            if platform.stack.processes["api"].returncode is not None:
                platform.stack.restart("api")
        for one in lives:
            one.result()
    likes = list(app.services.db.likes.find({"target": {"$in": [ObjectId(film) for film in films]}}))
    pairs = Counter((like["user"], like["target"]) for like in likes)
    assert set(pairs.values()) == {1}
    assert {(like["user"], like["target"]): like["value"] for like in likes} == {
        k: v for k, v in told.items() if v
    }
    drifts = list(verify(app.store, fix=True, settle=0.5))
    assert all(drift.fixed and str(drift.id) in films for drift in drifts), drifts
    assert sum(abs(drift.stored - drift.counted) for drift in drifts) <= 3 * THREADS
    assert list(verify(app.store, settle=0.01)) == []
    for film in films:
        values = Counter(value for (_, target), value in told.items() if target == ObjectId(film))
        assert (studio.counters(film)["likes"], studio.counters(film)["dislikes"]) == (values[1], values[-1])


def flushed(app):
    """Flush; tell whether nothing is left."""
    try:
        flush_views(app.store)
    except PyMongoError:
        return False
    return not app.services.redis.exists("views:buffer") and app.services.views.batches() == []


class Line:
    """One connection that carries many requests at once: the client must not cost more than the server."""

    def __init__(self, base):
        self.where = urlsplit(base)
        self.socket = socket.create_connection((self.where.hostname, self.where.port), timeout=patience(60))
        self.file = self.socket.makefile("rb")

    def beat(self, film, position, agent, token):
        """Word one heartbeat."""
        body = json.dumps({"position": position})
        signed = f"Authorization: Bearer {token}\r\n" if token else ""
        return (
            f"POST /api/v1/videos/{film}/views HTTP/1.1\r\nHost: {self.where.netloc}\r\nUser-Agent: {agent}\r\n"
            f"{signed}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def ask(self, requests):
        """Send requests without waiting in between; return (status, answer) of each, in their order."""
        self.socket.sendall(b"".join(requests))
        return [self.read() for _ in requests]

    def read(self):
        status, size = int(self.file.readline().split()[1]), 0
        while (line := self.file.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            size = int(value) if name.lower() == b"content-length" else size
        return status, json.loads(self.file.read(size))

    def close(self):
        self.file.close()
        self.socket.close()


class Audience(threading.Thread):
    """Some viewers who live in one thread, so that which heartbeat of each comes first is known."""

    def __init__(self, base, people, films, seed):
        super().__init__()
        self.line, self.people, self.films, self.dice = Line(base), people, films, random.Random(seed)
        self.pairs, self.acknowledged, self.wrong = set(), Counter(), []

    def run(self):
        try:
            for _ in range(HEARTBEATS // THREADS // LOT):
                self.send([self.choose() for _ in range(LOT)])
        except Exception as error:
            self.wrong.append(repr(error))
        finally:
            self.line.close()

    def choose(self):
        kind, who = self.dice.choice(self.people)
        return kind, who, self.dice.choice(self.films), self.dice.choice([0, self.dice.random() * 10, 1e7])

    def send(self, lot):
        """Send a lot of heartbeats and hold each answer against the rule."""
        requests = []
        for kind, who, film, position in lot:
            agent = who if kind in ("agent", "bot") else "Firefox"
            token = who.token if kind in ("user", "owner") else None
            requests.append(self.line.beat(film, position, agent, token))
        for (kind, who, film, _), (status, answer) in zip(lot, self.line.ask(requests), strict=True):
            expected = self.judge(kind, str(who.user["_id"]) if kind == "user" else str(who), film)
            told = (status, answer["counted"], answer["reason"], answer["rule"])
            self.acknowledged[film] += answer["counted"]
            if told != (200, expected == "counted", expected, "v1"):
                self.wrong.append((kind, expected, answer))

    def judge(self, kind, who, film):
        """The rule, for one window: each viewer counts once per film; owner and bots do not."""
        if kind in ("owner", "bot"):
            return kind
        first = (film, who) not in self.pairs
        self.pairs.add((film, who))
        return "counted" if first else "within_window"


def states_of(app, films):
    """Return what Redis remembers of each view: (engaged views, watched milliseconds) per film."""
    engaged, watched = Counter(), Counter()
    for key in app.services.redis.scan_iter("view:*", count=5000):
        film = key.split(b":")[1].decode()
        one, ms = app.services.redis.hmget(key, "engaged", "watched")
        engaged[film] += int(one)
        watched[film] += int(float(ms))
    return {film: (engaged[film], watched[film]) for film in films}


def test_views_are_exact_however_often_a_flusher_dies(platform):
    """100,000 heartbeats: what was flushed is what the rule says of them, and what Redis remembers of each view."""
    app, studio = platform.app, Studio(platform.app, platform.alice)
    films = [studio.film(duration=8.0) for _ in range(20)]
    people = [("user", one) for one in Town(app).some(VIEWERS // 10)]
    people += [("agent", f"Player/{n}") for n in range(VIEWERS * 9 // 10)]
    people += [("bot", f"Googlebot/{n}") for n in range(10)] + [("owner", platform.alice)] * 10
    crowd = [Audience(platform.base, people[n::THREADS], films, n) for n in range(THREADS)]
    died, late, steps = Counter(), set(), cycle(STEPS)
    for one in crowd:
        one.start()
    while any(one.is_alive() for one in crowd) or len(died) < len(STEPS):
        step = next(steps)
        if not any(
            one.is_alive() for one in crowd
        ):  # something to flush for those steps that were not reached
            agent = f"Late/{len(late)}"
            status, answer = send(
                platform, "POST", f"/videos/{films[0]}/views", {"position": 1}, **{"User-Agent": agent}
            )
            assert (status, answer["counted"]) == (200, True)
            late.add((films[0], agent))
        flusher = [sys.executable, "-m", "tests.features.views.flusher", step]
        ended = subprocess.run(
            flusher, cwd=ROOT, env=platform.environ, capture_output=True, timeout=patience(60)
        )
        assert ended.returncode in (0, IN_THE_WAY, -signal.SIGKILL), ended.stderr.decode()
        if ended.returncode == -signal.SIGKILL:
            died[step] += 1
    assert [wrong for one in crowd for wrong in one.wrong] == []
    poll(lambda: flushed(app), 60, "everything flushed")
    pairs = late.union(*(one.pairs for one in crowd))
    truth = dict(Counter(film for film, _ in pairs))
    acknowledged = sum((one.acknowledged for one in crowd), Counter(film for film, _ in late))
    counters = {film: studio.counters(film) for film in films}
    assert {film: counters[film]["views"] for film in films} == truth == dict(acknowledged)
    channel = app.store.get("channels", ObjectId(studio.channel))
    assert channel["counters"]["views"] == sum(truth.values())
    sums = {name: {"$sum": f"${name}"} for name in ("views", "engaged_views", "watch_ms")}
    days = {
        str(row["_id"]): row
        for row in app.services.db.video_stats.aggregate([{"$group": {"_id": "$video", **sums}}])
    }
    assert {film: days[film]["views"] for film in films} == truth
    remembered = states_of(app, films)
    assert {film: (counters[film]["engaged_views"], days[film]["watch_ms"]) for film in films} == remembered
    assert all(engaged and watched for engaged, watched in remembered.values())
