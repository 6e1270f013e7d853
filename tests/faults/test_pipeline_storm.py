"""Many jobs and many deaths: all done, none doubled, nothing left behind."""

import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from bson import ObjectId
from pymongo.errors import PyMongoError

from features.backend import Backend
from features.uploads.reconcile_jobs import reconcile
from machine.declare.registry import Registry
from machine.jobs.ledger import JobLedger
from machine.write.store import Store
from settings import Settings
from tests.faults.test_pipeline_ways import family
from tests.patience import Deadline, patience
from tests.platform import CLIPS, ROOT, Platform, poll
from tests.stored import stored_names

pytestmark = pytest.mark.timeout(600)
JOBS, KILLS = 500, 30


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    with Platform(tmp_path_factory.mktemp("storm"), parts=(), PURGE_AFTER_SECONDS="1") as running:
        yield running


@pytest.fixture(scope="module")
def store(platform):
    services = Backend(Settings.from_env(platform.environ))
    yield Store(services, Registry.load())
    services.close()


class Crew:
    """Workers that are started again whenever they die."""

    def __init__(self, platform, count):
        self.command = [
            sys.executable,
            "-m",
            "celery",
            "--quiet",
            "-A",
            "tests.faults.pipeline_worker",
            "worker",
        ]
        self.command += ["--concurrency", "2", "--without-mingle", "--without-gossip", "--loglevel", "ERROR"]
        self.environ = platform.environ
        self.log = open(platform.folder / "crew.log", "ab")  # noqa: SIM115
        self.workers = [self.start() for _ in range(count)]

    def start(self):
        return subprocess.Popen(self.command, cwd=ROOT, env=self.environ, stdout=self.log, stderr=self.log)

    def kill_somebody(self):
        """Kill a worker with its children, or one of its children."""
        place = random.randrange(len(self.workers))
        worker = self.workers[place]
        members = family(worker.pid)
        children = members[1:]
        if children and random.random() < 0.7:
            os.kill(random.choice(children), signal.SIGKILL)
            return
        for pid in members:
            os.kill(pid, signal.SIGKILL)
        worker.wait()
        self.workers[place] = self.start()

    def stop(self):
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            try:
                worker.wait(patience(30))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        self.log.close()


class Sweeper(threading.Thread):
    """Sends again what is due, as beat's sweep does, only more often."""

    def __init__(self, store):
        super().__init__(daemon=True)
        self.ledger, self.done = JobLedger(store.services), threading.Event()

    def run(self):
        while not self.done.wait(0.3):
            try:
                due = self.ledger.due(100, resend_seconds=3)
                for job_id in due:
                    self.ledger.announce(job_id)
                self.ledger.note_sent(due)
            except PyMongoError as error:  # as the product's own sweep: log it, and go on
                logging.getLogger(__name__).warning("sweep: %r", error)


@pytest.fixture
def crew(platform, store):
    members, sweeper = Crew(platform, 2), Sweeper(store)
    sweeper.start()
    yield members
    sweeper.done.set()
    sweeper.join()
    members.stop()


def test_thirty_kills_over_five_hundred_jobs_lose_and_double_none(store, crew):
    jobs, counts = store.services.jobs, store.services.db.test_counts
    for number in range(JOBS):
        jobs.record("test_count", {"resource": None, "id": None}, f"count:{number}", {"n": number})
    poison = jobs.record("test_poison", {"resource": None, "id": None}, "poison")
    killed = 0
    deadline = Deadline(300)
    while counts.count_documents({"times": {"$gte": 1}, "_id": {"$type": "int"}}) < JOBS:
        assert not deadline.over(), jobs.counts()
        if killed < KILLS:
            crew.kill_somebody()
            killed += 1
        time.sleep(0.7)
    poll(lambda: jobs.get(poison["_id"])["state"] == "dead", 60, "the poison dead")
    assert jobs.get(poison["_id"])["error"]["code"] == "worker_lost"
    poll(lambda: jobs.counts().get("succeeded", 0) == JOBS, 60, "all succeeded")
    assert counts.count_documents({"_id": {"$type": "int"}, "times": {"$ne": 1}}) == 0
    assert killed == KILLS


def test_thousand_deleted_videos_leave_no_file(platform, store, crew):
    content = CLIPS / "carphone_distorted.mp4"
    owner = store.insert("users", {"username": "storm.home", "role": "user", "status": "active"})["_id"]
    channel = store.insert("channels", {"handle": "storm-home", "name": "Storm", "owner": owner})["_id"]

    def make(number):
        video = ObjectId()
        name = store.services.media.public_id(video, 1)
        answer = store.services.media.store(content, name, [])
        media = {"public_id": name, "version": answer["version"]}
        return store.insert("videos", {
            "_id": video, "owner": owner, "channel": channel, "title": "x", "visibility": "private", "media": media,
        })  # fmt: skip

    with ThreadPoolExecutor(8) as pool:
        videos = list(pool.map(make, range(1000)))
    assert len(stored_names(platform, "")) == 500, "a full first page"
    for video in videos:
        assert store.remove("videos", video)
    stop = threading.Event()

    def purge():
        from machine.jobs.sweep import owe_purges

        while not stop.wait(0.5):
            owe_purges(store.services, store)

    purger = threading.Thread(target=purge)
    purger.start()
    try:
        poll(lambda: store.services.db.videos.count_documents({}) == 0, 240, "all purged")
        poll(lambda: not stored_names(platform, ""), 120, "no file left")
    finally:
        stop.set()
        purger.join()
    report = reconcile(store)
    assert (report.files, report.suspects, report.deleted, report.missing) == (0, 0, 0, 0)
