"""Storms through real API processes that are killed in the middle, and flushers that die at each of their steps."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import pytest
import urllib3
from bson import ObjectId
from pymongo.errors import PyMongoError

from api import create_app
from policy.recount import verify
from settings import Settings
from tasks.flush_views import flush_views
from tests.conftest import sign_up
from tests.engagement.conftest import Studio, Town
from tests.engagement.flusher import IN_THE_WAY, STEPS
from tests.platform import ROOT, Platform, poll

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
THREADS = 16
PEOPLE, ROUNDS = 200, 12
VIEWERS, HEARTBEATS = 1000, 20_000
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
            method, f"{platform.base}/api/v1{path}", body=content, headers=headers, timeout=30
        )
    except urllib3.exceptions.HTTPError:
        return 0, None
    return answer.status, json.loads(answer.data) if answer.data else None


def insist(platform, *request, **more):
    """Send a request until it is answered."""
    until = time.monotonic() + 60
    while True:
        status, answer = send(platform, *request, **more)
        if status and status != 503:
            return status, answer
        assert time.monotonic() < until, "the API did not come back"
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


def test_views_are_exact_however_often_a_flusher_dies(platform):
    """In one window each viewer counts once per film: so the truth is the set of pairs. Owner and bots do not count."""
    app, studio = platform.app, Studio(platform.app, platform.alice)
    films = [studio.film(duration=60.0) for _ in range(20)]
    town = Town(app)
    people = [("user", one) for one in town.some(VIEWERS // 10)] + [
        ("agent", f"Player/{n}") for n in range(VIEWERS * 9 // 10)
    ]
    people += [("bot", f"Googlebot/{n}") for n in range(10)] + [("owner", platform.alice)] * 10
    acknowledged, pairs, lock = Counter(), set(), threading.Lock()

    def live(some, seed):
        dice = random.Random(seed)
        for _ in range(HEARTBEATS // THREADS):
            kind, who = dice.choice(some)
            film, position = dice.choice(films), dice.choice([0, dice.random() * 60, 1e7])
            token = who.token if kind in ("user", "owner") else None
            agent = {"User-Agent": who} if kind in ("agent", "bot") else {}
            status, answer = send(
                platform, "POST", f"/videos/{film}/views", {"position": position}, token, **agent
            )
            assert status == 200, answer
            key = (film, str(who) if kind != "user" else str(who.user["_id"]))
            with lock:
                first = kind in ("user", "agent") and key not in pairs
                pairs.add(key) if kind in ("user", "agent") else None
                acknowledged[film] += answer["counted"]
                assert answer["reason"] == {"owner": "owner", "bot": "bot"}.get(
                    kind, "counted" if first else "within_window"
                )
                assert answer["counted"] == first and answer["rule"] == "v1"

    died = Counter()
    with ThreadPoolExecutor(THREADS) as pool:
        # A viewer lives in one thread, so that which of his heartbeats comes first is known.
        lives = [pool.submit(live, people[n::THREADS], n) for n in range(THREADS)]
        for step in cycle(STEPS):
            if all(one.done() for one in lives) and len(died) == len(STEPS):
                break
            if all(one.done() for one in lives):
                send(
                    platform,
                    "POST",
                    f"/videos/{films[0]}/views",
                    {"position": 1},
                    **{"User-Agent": f"Late/{step}"},
                )
                pairs.add((films[0], f"Late/{step}"))
                acknowledged[films[0]] += 1
            flusher = [sys.executable, "-m", "tests.engagement.flusher", step]
            ended = subprocess.run(flusher, cwd=ROOT, env=platform.environ, capture_output=True, timeout=60)
            assert ended.returncode in (0, IN_THE_WAY, -signal.SIGKILL), ended.stderr.decode()
            died[step] += ended.returncode == -signal.SIGKILL
            died += Counter()
        for one in lives:
            one.result()
    poll(lambda: flushed(app), 60, "everything flushed")
    truth = Counter(film for film, _ in pairs)
    assert {film: studio.counters(film)["views"] for film in films} == dict(truth) == dict(acknowledged)
    channel = app.store.get("channels", ObjectId(studio.channel))
    assert channel["counters"]["views"] == sum(truth.values())
    days = app.services.db.video_stats.aggregate([{"$group": {"_id": "$video", "n": {"$sum": "$views"}}}])
    assert {str(row["_id"]): row["n"] for row in days if str(row["_id"]) in films} == dict(truth)
