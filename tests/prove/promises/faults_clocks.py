"""The clocks of our processes may differ by two minutes either way: nobody notices."""

import socket
import tempfile
import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests

from tests.patience import patience
from tests.platform import poll
from tests.prove.fault import Fault, suffer
from tests.prove.row import Row
from tests.prove.traffic import FILM, Traffic
from tests.prove.world import World, faketime

PROMISE = "Clocks two minutes apart do no harm"
DONE = "API instances at +120 s and -120 s, workers at -120 s and +120 s, under mixed load"
CLOCKS = {"api": 120, "api2": -120, "worker": -120, "worker2": 120}


def run(quick):
    if faketime() is None:
        return Row(PROMISE, DONE, 0, 0, "", None, "needs Debian's package faketime")
    fault = Fault(PROMISE, DONE, lambda: None, lambda: None, "succeeded after", lambda world, before: True)
    fault.hold = 4.0 if quick else 30.0
    with (
        tempfile.TemporaryDirectory() as folder,
        World(folder, clocks=CLOCKS) as world,
        Traffic(world) as traffic,
    ):
        poll(lambda: apart(world) > 200, 20, "clocks that differ")
        row = suffer(world, traffic, fault)
        return [row, slow_upload(world, traffic), repeated_refresh(world)]


def apart(world):
    """Return by how many seconds the clocks of the two API instances differ, by the dates they send."""
    dates = [
        parsedate_to_datetime(requests.get(f"{base}/livez", timeout=patience(5)).headers["Date"])
        for base in world.bases
    ]
    return abs((dates[0] - dates[1]).total_seconds())


def slow_upload(world, traffic):
    """Send a film slowly to the instance that is behind, under sweeps by a worker that is ahead."""
    base, sign = world.bases[1], {"Authorization": f"Bearer {traffic.token}"}
    facts = {"channel": str(traffic.channel), "title": "Slow"}
    video = requests.post(f"{base}/api/v1/videos", json=facts, headers=sign, timeout=patience(10)).json()[
        "_id"
    ]
    head = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    body, where = head + FILM + b"\r\n--cut--\r\n", urlsplit(base)
    with socket.create_connection((where.hostname, where.port), timeout=patience(30)) as line:
        line.sendall(
            f"POST /api/v1/videos/{video}/upload HTTP/1.1\r\nHost: {where.netloc}\r\n"
            f"Authorization: Bearer {traffic.token}\r\nContent-Type: multipart/form-data; boundary=cut\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
        )
        pieces = 20
        for n in range(pieces):
            line.sendall(body[n * len(body) // pieces : (n + 1) * len(body) // pieces])
            time.sleep(0.2)
        said = line.recv(4096).split(b"\r\n")[0].decode()
    kept = " 202" in said
    return Row(
        "A slow upload outlives a worker whose clock is four minutes ahead", "a film sent over 4 s while sweeps run", 1,
        int(not kept), said, kept,
    )  # fmt: skip


def repeated_refresh(world):
    """Exchange a refresh token at one instance, and again at the other, as if the first answer had been lost."""
    statuses, differ = [], 0
    for order in (world.bases, world.bases[::-1]):
        _, _, token = world.person(f"twice{time.monotonic_ns()}")
        body = {"refresh_token": token}
        answers = [
            requests.post(f"{base}/api/v1/auth/refresh", json=body, timeout=patience(10)) for base in order
        ]
        differ += len({one.json().get("refresh_token") for one in answers}) - 1
        fresh = {"refresh_token": answers[0].json()["refresh_token"]}
        answers.append(requests.post(f"{order[0]}/api/v1/auth/refresh", json=fresh, timeout=patience(10)))
        statuses.append([answer.status_code for answer in answers])
    lost = differ + sum(one != [200, 200, 200] for one in statuses)
    return Row(
        "A refresh whose answer is lost is answered again elsewhere", "the same token at both instances", 2,
        lost, f"answers {statuses}, {differ} other successors", not lost,
    )  # fmt: skip
