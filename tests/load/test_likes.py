"""A storm of ratings against real processes, with the API killed in the middle: the counters end as the truth."""

import random
import threading

import pytest
import requests
from bson import ObjectId

from features.backend import Backend
from features.identity.sessions import Sessions
from machine.declare.registry import Registry
from machine.write.store import Store
from settings import Settings
from tests.patience import patience
from tests.platform import Platform, poll

USERS, THREADS, DEEDS = 200, 16, 60
MARK_SECONDS = 3


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    with Platform(tmp_path_factory.mktemp("likes"), COUNT_MARK_SECONDS=str(MARK_SECONDS)) as running:
        yield running


@pytest.fixture(scope="module")
def store(platform):
    services = Backend(Settings.from_env(platform.environ))
    yield Store(services, Registry.load())
    services.close()


def sign_in(store, name):
    """Return the token of a new user, without the cost of a password."""
    user = store.insert("users", {"username": name, "role": "user", "status": "active"})
    begun = Sessions(store.services, store).start(user["_id"], "test", "127.0.0.1")
    return user["_id"], store.services.tokens.issue(user, begun.session)[0]


def make_videos(store, owner, count):
    channel = store.insert("channels", {"handle": "storm", "name": "Storm", "owner": owner})
    facts = {"channel": channel["_id"], "owner": owner, "visibility": "public", "status": "READY"}
    return [store.insert("videos", {**facts, "title": f"Video {n}"})["_id"] for n in range(count)]


class Rater(threading.Thread):
    """Rates at random until told to stop; what is answered with an error or not at all may or may not have happened."""

    def __init__(self, platform, tokens, videos, seed, stop):
        super().__init__()
        self.platform, self.tokens, self.videos = platform, tokens, videos
        self.rng = random.Random(seed)
        self.statuses = set()
        self.answered = 0
        self.stop = stop

    def run(self):
        http = requests.Session()
        while self.answered < DEEDS and not self.stop.is_set():
            url = f"{self.platform.base}/api/v1/videos/{self.rng.choice(self.videos)}/like"
            headers = {"Authorization": f"Bearer {self.rng.choice(self.tokens)}"}
            value = self.rng.choice([1, 1, -1, 0])
            try:
                if value:
                    answer = http.put(url, json={"value": value}, headers=headers, timeout=patience(30))
                else:
                    answer = http.delete(url, headers=headers, timeout=patience(30))
            except requests.RequestException:
                self.stop.wait(0.05)
                continue
            self.statuses.add(answer.status_code)
            self.answered += 1


def answered(raters):
    return sum(rater.answered for rater in raters)


def is_true(store, videos):
    """Tell whether every counter is what the ratings say."""
    for video in videos:
        shown = store.get("videos", video)["counters"]
        for name, value in (("likes", 1), ("dislikes", -1)):
            if shown[name] != store.collection("likes").count_documents({"target": video, "value": value}):
                return False
    return True


def test_counters_are_the_truth_after_a_storm_in_which_the_api_was_killed(platform, store):
    people = [sign_in(store, f"user{n}") for n in range(USERS)]
    videos = make_videos(store, people[0][0], 3)
    tokens = [token for _, token in people]
    stop = threading.Event()
    raters = [Rater(platform, tokens, videos, seed, stop) for seed in range(THREADS)]
    for rater in raters:
        rater.start()
    try:
        for share in (0.2, 0.6):
            poll(lambda share=share: answered(raters) > share * THREADS * DEEDS, 90, "some ratings")
            platform.stack.kill("api")
            platform.stack.restart("api")
        poll(lambda: answered(raters) == THREADS * DEEDS, 90, "all ratings")
    finally:
        stop.set()
        for rater in raters:
            rater.join()

    assert set().union(*(rater.statuses for rater in raters)) <= {200, 503}
    pairs = [
        {"$group": {"_id": {"u": "$user", "t": "$target"}, "n": {"$sum": 1}}},
        {"$match": {"n": {"$gt": 1}}},
    ]
    assert list(store.collection("likes").aggregate(pairs)) == []
    poll(lambda: is_true(store, videos), 10 * MARK_SECONDS, "counters equal to the truth")
    poll(lambda: store.services.db["pending_counts"].count_documents({}) == 0, 60, "no mark left behind")
    assert is_true(store, [ObjectId(video) for video in videos])
