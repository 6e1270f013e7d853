"""The ways in under stress: large files in flat memory, resumption after a crash, orderly shutdown."""

import base64
import hashlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient
from tusclient.client import TusClient

from tests.films import padded
from tests.patience import patience
from tests.platform import CLIP, Platform, poll
from tests.stored import stored_names

MIB = 1024 * 1024
FILM = CLIP.read_bytes()


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    with Platform(tmp_path_factory.mktemp("ways")) as running:
        yield running


@pytest.fixture(scope="module")
def alice(platform):
    return platform.sign_up("alice").make_channel("alice")


@pytest.fixture(scope="module")
def db(platform):
    with MongoClient(platform.stack.env["MONGO_URI"]) as client:
        yield client.get_default_database()


def pieces(head, path, tail):
    yield head
    with open(path, "rb") as file:
        while piece := file.read(MIB):
            yield piece
    yield tail


def send_file(platform, alice, video, path):
    """Upload by multipart without holding the file in memory."""
    head = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="big.mp4"\r\n\r\n'
    tail = b"\r\n--cut--\r\n"
    size = len(head) + Path(path).stat().st_size + len(tail)
    headers = {
        **alice.headers,
        "Content-Type": "multipart/form-data; boundary=cut",
        "Content-Length": str(size),
    }
    line = http.client.HTTPConnection(urlsplit(platform.base).netloc, timeout=patience(300))
    try:
        line.request("POST", f"/api/v1/videos/{video}/upload", body=pieces(head, path, tail), headers=headers)
        answer = line.getresponse()
        return answer.status, answer.read()
    finally:
        line.close()


def family(pid):
    """Return a process and all below it."""
    children = [
        int(child)
        for task in Path(f"/proc/{pid}/task").glob("*/children")
        for child in task.read_text().split()
    ]
    return [pid, *(one for child in children for one in family(child))]


def resident(pid):
    """Return the resident memory of a process, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    return 0


class Watch(threading.Thread):
    """Notes by how much the memory of each process of ours grows; ffmpeg and the databases are not ours."""

    def __init__(self, platform):
        super().__init__(daemon=True)
        self.parts = {name: platform.pid(name) for name in ("api", "worker", "beat", "cloudinary")}
        self.first, self.most, self.done = {}, {}, threading.Event()

    def run(self):
        while not self.done.wait(0.05):
            for name, top in self.parts.items():
                for pid in family(top):
                    self.note(name, pid)

    def note(self, name, pid):
        try:
            if b"ffmpeg" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return
            size = resident(pid)
        except OSError:  # it has ended
            return
        self.first.setdefault((name, pid), size)
        self.most[name, pid] = max(self.most.get((name, pid), 0), size)

    def growth(self):
        return {key: (self.most[key] - self.first[key]) / MIB for key in self.most}


def test_1_gib_passes_in_flat_memory(platform, alice, tmp_path):
    warm = alice.make_video()
    assert alice.upload(warm).status_code == 202
    assert alice.await_end(warm)["status"] == "READY"
    big = padded(tmp_path / "big.mp4", 1024 * MIB)
    video = alice.make_video()
    watch = Watch(platform)
    watch.start()
    status, body = send_file(platform, alice, video, big)
    assert status == 202, body
    shown = alice.await_end(video, seconds=240)
    watch.done.set()
    watch.join()
    assert shown["status"] == "READY", shown["status_detail"]
    assert shown["media"]["bytes"] == 1024 * MIB
    assert max(watch.growth().values()) < 150, watch.growth()


def test_file_larger_than_allowed_is_told_so_at_once(platform, alice):
    """The declared size is enough to refuse; nothing is received."""
    video = alice.make_video()
    where = urlsplit(platform.base)
    with socket.create_connection((where.hostname, where.port), timeout=patience(20)) as line:
        line.sendall(
            f"POST /api/v1/videos/{video}/upload HTTP/1.1\r\nHost: {where.netloc}\r\n"
            f"Authorization: Bearer {alice.token}\r\nContent-Type: multipart/form-data; boundary=cut\r\n"
            f"Content-Length: {3 * 1024 * MIB}\r\n\r\n".encode()
        )
        assert b" 413 " in line.recv(4096).split(b"\r\n")[0]
    assert alice.video(video)["status"] == "DRAFT" and not platform.spool


def test_tuspy_resumes_after_the_api_was_killed(platform, alice, tmp_path):
    video = alice.make_video()
    client = TusClient(f"{platform.base}/api/v1/videos/{video}/uploads", headers=alice.headers)
    with open(CLIP, "rb") as film:
        uploader = client.uploader(file_stream=film, chunk_size=100_000)
        for _ in range(4):
            uploader.upload_chunk()
        assert uploader.offset == 400_000
        platform.stack.kill("api")
        platform.stack.restart("api")
        again = client.uploader(file_stream=film, chunk_size=100_000, url=uploader.url)
        assert again.offset == 400_000
        again.upload()
    shown = alice.await_end(video)
    assert shown["status"] == "READY"
    assert shown["media"]["checksum"] == f"sha-256:{hashlib.sha256(FILM).hexdigest()}"


def test_tus_js_client_goes_on_by_itself_after_the_api_was_killed(platform, alice, tmp_path):
    """The client that browsers use, which `make test` installs where there is npm."""
    folder, node = Path(__file__).parent.with_name("node"), shutil.which("node")
    if not node or not (folder / "node_modules/tus-js-client").exists():
        pytest.skip("there is no npm to install tus-js-client with")
    film = padded(tmp_path / "film.mp4", 64 * MIB)
    video = alice.make_video()
    endpoint = f"{platform.base}/api/v1/videos/{video}/uploads"
    script = Path(__file__).with_name("tus_upload.mjs")
    command = [node, str(script), str(folder.resolve()), endpoint, alice.token, str(film)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as client:
        url = client.stdout.readline().split()[1]
        tus = {"Tus-Resumable": "1.0.0"}
        poll(
            lambda: int(alice.call("HEAD", url, headers=tus).headers["Upload-Offset"]) > 4 * MIB, 20, "4 MiB"
        )
        platform.stack.kill("api")
        platform.stack.restart("api")
        said = client.communicate(timeout=patience(60))[0]
    assert client.returncode == 0 and "done" in said, said
    shown = alice.await_end(video)
    assert shown["status"] == "READY", shown["status_detail"]
    with open(film, "rb") as file:
        assert shown["media"]["checksum"] == f"sha-256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def test_piece_cut_by_a_crash_is_resumed_at_a_safe_offset(platform, alice, tmp_path):
    """A long PATCH is killed in its middle: what was acknowledged is kept, the rest is sent again."""
    size = 96 * MIB
    film = padded(tmp_path / "long.mp4", size)
    video = alice.make_video()
    begun = alice.post(f"/videos/{video}/uploads", {"mode": "resumable", "bytes": size})
    path = urlsplit(begun.json()["upload_url"]).path
    where = urlsplit(platform.base)
    line = socket.create_connection((where.hostname, where.port), timeout=patience(20))
    line.sendall(
        f"PATCH {path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {alice.token}\r\n"
        f"Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n"
        f"Content-Length: {size}\r\n\r\n".encode()
    )
    with open(film, "rb") as file:
        line.sendall(file.read(48 * MIB))
    head = lambda: int(alice.call("HEAD", path, headers={"Tus-Resumable": "1.0.0"}).headers["Upload-Offset"])  # noqa: E731
    poll(lambda: head() >= 8 * MIB, 20, "a checkpoint")
    platform.stack.kill("api")
    line.close()
    platform.stack.restart("api")
    offset = head()
    assert 8 * MIB <= offset <= 48 * MIB
    with open(film, "rb") as file:
        file.seek(offset)
        headers = {
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
        }
        assert alice.call("PATCH", path, data=file, headers=headers).status_code == 204
    shown = alice.await_end(video)
    assert shown["status"] == "READY", shown["status_detail"]
    with open(film, "rb") as file:
        assert shown["media"]["checksum"] == f"sha-256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def test_broken_connection_keeps_what_arrived(platform, alice):
    video = alice.make_video()
    begun = alice.post(f"/videos/{video}/uploads", {"mode": "resumable", "bytes": len(FILM)})
    path = urlsplit(begun.json()["upload_url"]).path
    where = urlsplit(platform.base)
    with socket.create_connection((where.hostname, where.port), timeout=patience(20)) as line:
        line.sendall(
            f"PATCH {path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {alice.token}\r\n"
            f"Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n"
            f"Content-Length: {len(FILM)}\r\n\r\n".encode()
            + FILM[:500_000]
        )
    head = lambda: int(alice.call("HEAD", path, headers={"Tus-Resumable": "1.0.0"}).headers["Upload-Offset"])  # noqa: E731
    poll(lambda: head() == 500_000, 20, "all that arrived")


def test_api_that_is_asked_to_end_finishes_the_upload_in_flight(platform, alice, db):
    video = alice.make_video()
    head = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    tail = b"\r\n--cut--\r\n"
    where = urlsplit(platform.base)
    with socket.create_connection((where.hostname, where.port), timeout=patience(30)) as line:
        line.sendall(
            f"POST /api/v1/videos/{video}/upload HTTP/1.1\r\nHost: {where.netloc}\r\n"
            f"Authorization: Bearer {alice.token}\r\nContent-Type: multipart/form-data; boundary=cut\r\n"
            f"Content-Length: {len(head) + len(FILM) + len(tail)}\r\n\r\n".encode()
            + head
            + FILM[:500_000]
        )
        poll(lambda: alice.video(video)["status"] == "UPLOADING", 10, "UPLOADING")
        os.kill(platform.pid("api"), signal.SIGTERM)
        time.sleep(0.5)
        line.sendall(FILM[500_000:] + tail)
        assert b" 202 " in line.recv(4096).split(b"\r\n")[0]
    poll(lambda: platform.stack.processes["api"].returncode is not None, 40, "the API ended")
    platform.stack.restart("api")
    assert alice.await_end(video)["status"] == "READY"


def test_worker_that_is_asked_to_end_loses_nothing(platform, alice, db):
    videos = [alice.make_video() for _ in range(3)]
    for video in videos:
        assert alice.upload(video).status_code == 202
    poll(lambda: db.jobs.find_one({"state": "running"}), 10, "a running job")
    platform.stack.processes["worker"].stop(30)
    platform.stack.restart("worker")
    for video in videos:
        assert alice.await_end(video, seconds=90)["status"] == "READY"
        assert stored_names(platform, video) == [f"marquee/{video}/1"]


def test_digest_of_the_whole_is_checked_at_the_end_of_a_resumable_upload(alice):
    video = alice.make_video()
    wrong = hashlib.sha256(b"another").hexdigest()
    begun = alice.post(f"/videos/{video}/uploads", {"mode": "resumable", "bytes": len(FILM), "sha256": wrong})
    path = urlsplit(begun.json()["upload_url"]).path
    digest = base64.b64encode(hashlib.sha1(FILM).digest()).decode()
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
    }
    sent = alice.call("PATCH", path, data=FILM, headers={**headers, "Upload-Checksum": f"sha1 {digest}"})
    assert sent.status_code == 204
    shown = alice.await_end(video)
    assert shown["status"] == "FAILED" and shown["status_detail"]["code"] == "digest_mismatch"
