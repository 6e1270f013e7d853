"""The host says stop, or its disk is full: what is under way is finished or refused, and nothing is left behind."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from urllib.parse import urlsplit

from bson import ObjectId

from tests.platform import CLIP, poll
from tests.prove.ledger import check
from tests.prove.row import Row
from tests.prove.traffic import Traffic
from tests.prove.world import World

FILM = CLIP.read_bytes()
MIB = 1024 * 1024
REQUESTS = 20
# More than the API keeps free (256 MiB), and little enough to be filled in no time.
DISK_MIB = 300


def run(quick):
    rows = []
    with tempfile.TemporaryDirectory() as folder, World(folder) as world, Traffic(world) as traffic:
        rows.append(stop_in_the_middle(world, traffic, 1 if quick else 5))
        rows.append(fill_the_disk(world, traffic))
    return rows


class Half:
    """A request of which one half was sent."""

    def __init__(self, base, token, path, body, kind):
        where = urlsplit(base)
        self.rest = body[len(body) // 2 :]
        self.line = socket.create_connection((where.hostname, where.port), timeout=40)
        self.line.sendall(
            f"POST /api/v1{path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body[: len(body) // 2]
        )

    def finish(self):
        """Send the other half; return the status line."""
        with self.line:
            with contextlib.suppress(OSError):  # who was refused at once has an answer already
                self.line.sendall(self.rest)
            with contextlib.suppress(OSError):
                return self.line.recv(4096).split(b"\r\n")[0].decode()
        return "broken"


def form(film):
    """Return a film as a form with the boundary `cut`."""
    head = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    return head + film + b"\r\n--cut--\r\n"


def stop_in_the_middle(world, traffic, times):
    """Send SIGTERM to an instance that has half of 20 requests and of an upload, under load on both."""
    wrong, lost, ledger, slowest = [], 0, None, 0.0
    for _ in range(times):
        world.await_all()
        ledger = traffic.begin(breaks=True)
        poll(lambda ledger=ledger: ledger.acknowledged > 20, 30, "some load")
        base, film = world.bases[1], str(ledger.films[0])
        texts = [f"half {n} {time.monotonic_ns()}" for n in range(REQUESTS)]
        halves = [
            Half(base, traffic.probe, "/comments", f'{{"video": "{film}", "text": "{text}"}}'.encode(),
                 "application/json")
            for text in texts
        ]  # fmt: skip
        facts = {"channel": traffic.channel, "owner": traffic.owner, "title": "Half", "visibility": "private"}
        video = world.store.insert("videos", facts)["_id"]
        kind = "multipart/form-data; boundary=cut"
        upload = Half(base, traffic.token, f"/videos/{video}/upload", form(FILM), kind)
        poll(
            lambda video=video: world.db.videos.find_one({"_id": video})["status"] == "UPLOADING",
            10,
            "UPLOADING",
        )
        child, began = world.stack.processes["api2"], time.monotonic()
        os.kill(child.pid, signal.SIGTERM)
        poll(lambda base=base: refuses(base), 10, "no new connections")
        answers = [half.finish() for half in halves] + [upload.finish()]
        poll(lambda child=child: child.returncode is not None, 40, "the instance ended")
        slowest = max(slowest, time.monotonic() - began)
        bad = [answer for answer in answers if " 201 " not in answer and " 202 " not in answer]
        wrong += [f"answers {bad[:3]}"] * bool(bad) + [f"exit status {child.returncode}"] * (
            child.returncode != 0
        )
        ledger.uploads.append(ObjectId(video))
        world.stack.restart("api2")
        traffic.end()
        gone = check(world, ledger)[0]
        found = world.db.comments.count_documents({"text": {"$in": texts}})
        lost += len(gone) + REQUESTS - found
        wrong += gone + list(dict.fromkeys(ledger.wrong))[:3]
    figure = f"all {REQUESTS + 1} answered each time; ended after at most {slowest:.1f} s with status 0"
    return Row(
        "SIGTERM loses no request that has begun", f"SIGTERM in the middle of {REQUESTS} requests and an upload",
        times, lost, "" if wrong else figure, not wrong and not lost, "; ".join(map(str, wrong[:5])),
    )  # fmt: skip


def refuses(base):
    """Tell whether an instance takes no new connections."""
    where = urlsplit(base)
    try:
        socket.create_connection((where.hostname, where.port), timeout=2).close()
    except OSError:
        return True
    return False


@contextlib.contextmanager
def small_disk(world):
    """Put a small file system below the spool, for which one must be root; None where that cannot be done."""
    spool = world.folder / "spool"
    spool.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(spool)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield spool
    finally:
        subprocess.run(["umount", "--lazy", str(spool)], check=True)


def fill_the_disk(world, traffic):
    """Let an upload run into a full disk, others be refused before it, and all work once there is room."""
    done = f"the spool on a disk of {DISK_MIB} MiB that fills up in the middle of an upload"
    promise = "A full disk refuses uploads and keeps the rest going"
    world.await_all()
    with small_disk(world) as spool:
        if spool is None:
            return Row(promise, done, 0, 0, "", None, "needs the right to mount a tmpfs")
        ledger, since = traffic.begin(uploads=False), world.mark_logs()
        ledger.uploads = []
        facts = {"channel": traffic.channel, "owner": traffic.owner, "title": "Full", "visibility": "private"}
        videos = [str(world.store.insert("videos", facts)["_id"]) for _ in range(2)]
        answers = through_a_full_disk(world, traffic, spool, videos)
        traffic.end()
        statuses = [world.db.videos.find_one({"_id": ObjectId(video)})["status"] for video in videos]
        left = [path.name for path in spool.iterdir()]
        again = [Half(world.base, traffic.token, f"/videos/{video}/upload", form(FILM),
                      "multipart/form-data; boundary=cut").finish() for video in videos]  # fmt: skip
        ledger.uploads = [ObjectId(video) for video in videos]
        lost = check(world, ledger)[0]
    wrong = [f"answers {answers}"] * any(" 507 " not in answer for answer in answers)
    wrong += [f"{statuses}, left {left}"] * (statuses != ["DRAFT", "DRAFT"] or bool(left))
    wrong += [f"with room again {again}"] * any(" 202 " not in answer for answer in again)
    wrong += list(dict.fromkeys(ledger.wrong))[:3] + lost
    wrong += [] if world.logged("storage_full", since) else ["no log line tells of it"]
    wrong += [] if world.measure("marquee_requests_total", status="507") else ["no metric tells of it"]
    figure = f"507 in the middle and at once; {ledger.acknowledged:,} other writes acknowledged meanwhile"
    return Row(promise, done, 2, len(lost), figure, not wrong, "; ".join(map(str, wrong)))


def through_a_full_disk(world, traffic, spool, videos):
    """Fill the disk while one upload is under way; begin another; make room. Return what both were told."""
    kind, filler = "multipart/form-data; boundary=cut", spool / "filler"
    first = Half(world.base, traffic.token, f"/videos/{videos[0]}/upload", form(FILM + bytes(8 * MIB)), kind)
    poll(lambda: [path for path in spool.iterdir() if path != filler], 10, "the first half")
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(MIB))
    answers = [first.finish()]
    second = Half(world.base, traffic.token, f"/videos/{videos[1]}/upload", form(FILM), kind)
    answers.append(second.finish())
    filler.unlink()
    return answers
