"""Journeys for locust: people who watch, people who write; the file PROVE_JOURNEYS says where and as whom."""

import json
import os
import random
import secrets
from itertools import cycle
from pathlib import Path

from locust import FastHttpUser, between, task

TOLD = json.loads(Path(os.environ["PROVE_JOURNEYS"]).read_text())
PEOPLE, BASES = cycle(TOLD["tokens"]), cycle(TOLD["bases"])


class Person(FastHttpUser):
    """Somebody who is signed in at one of the instances."""

    abstract = True
    wait_time = between(0.1, 0.3)
    connection_timeout = network_timeout = 30.0

    def __init__(self, environment):
        self.host = next(BASES)
        super().__init__(environment)
        self.sign = {"Authorization": f"Bearer {next(PEOPLE)}"}

    def ask(self, method, path, name, **more):
        """Send a request. To be told to come back later is no failure; it is counted apart."""
        with self.client.request(
            method, f"/api/v1{path}", name=name, headers=self.sign, catch_response=True, **more
        ) as answer:
            if answer.status_code in (429, 503) and answer.headers.get("Retry-After"):
                answer.request_meta["request_type"] = "SHED"
                answer.success()
            elif not 200 <= answer.status_code < 300:
                answer.failure(f"{answer.status_code}")
        return answer


class Viewer(Person):
    """Looks for something, watches it, and likes it now and then."""

    weight = 8

    @task
    def watch(self):
        self.ask("GET", "/videos?max_results=10", "list")
        film = random.choice(TOLD["films"])
        self.ask("GET", f"/videos/{film}", "film")
        self.ask("GET", f"/videos/{film}/comments?max_results=10", "comments")
        self.ask("POST", f"/videos/{film}/views", "view", json={"position": random.random() * 60})
        if random.random() < 0.3:
            self.ask("PUT", f"/videos/{film}/like", "like", json={"value": random.choice([1, -1])})


class Writer(Person):
    """Comments, and looks at what is new."""

    weight = 1

    @task
    def comment(self):
        film = random.choice(TOLD["films"])
        self.ask("POST", "/comments", "comment", json={"video": film, "text": secrets.token_hex(8)})
        self.ask("GET", "/me/notifications/unread", "unread")
        self.ask("GET", "/feed/home", "home")


class Greedy(Person):
    """Writes as fast as it can, far past its quota."""

    fixed_count = 1
    wait_time = between(0, 0)

    @task
    def write(self):
        film = random.choice(TOLD["films"])
        self.ask("PUT", f"/videos/{film}/like", "greedy", json={"value": 1})
