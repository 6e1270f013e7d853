"""kill -9 and orderly stops: nothing half-written is served, nothing owed is lost, no process stays."""

import contextlib
import signal
import threading

import cloudinary.exceptions
import pytest

from tests.cloudinary_local.conftest import until
from tests.patience import patience

FILM = {"resource_type": "video", "type": "authenticated"}
STREAM = [{"streaming_profile": "full_hd", "format": "m3u8"}]


def test_killed_render_is_resumed_and_told_once(own_media, clip, long_clip, receiver):
    one = own_media()
    one.upload_video(long_clip, public_id="killed")
    started = one.explicit("killed", eager=STREAM, eager_async=True, eager_notification_url=receiver.url)
    until(one.encoders)
    assert one.stop(signal.SIGKILL) == -signal.SIGKILL
    until(lambda: not one.encoders(), 5)
    assert not [path for path in one.files() if path.name.endswith((".ts", ".m3u8"))]
    one.start()
    assert one.get(started["eager"][0]["url"]).status in {200, 423}
    notice = until(lambda: receiver.notices("eager"), 120)[0]
    assert notice["eager"][0]["bytes"] > 0
    assert one.get(started["eager"][0]["url"]).status == 200
    assert len(receiver.notices("eager")) == 1


def test_killed_upload_leaves_the_old_file_or_the_new(own_media, clip, tmp_path):
    one = own_media()
    large = tmp_path / "large.mp4"
    padding = 50_000_000
    # A `free` box is ignored by players; it makes the upload long enough to be cut, in three chunks.
    large.write_bytes(clip.read_bytes() + padding.to_bytes(4) + b"free" + bytes(padding - 8))
    before = one.upload_video(clip, public_id="torn")

    def overwrite():
        with contextlib.suppress(cloudinary.exceptions.Error):
            one.upload_video(large, public_id="torn")

    def gathering():
        return {path.name for path in (one.data_dir / "partial").iterdir()}

    for _ in range(3):
        known = gathering()
        thread = threading.Thread(target=overwrite)
        thread.start()
        until(lambda known=known: gathering() - known, 20)
        one.stop(signal.SIGKILL)
        thread.join()
        one.start()
        shown = one.resource("torn", **FILM)
        served = one.get(shown["url"])
        assert served.status == 200
        assert len(served.data) == shown["bytes"]
        assert served.headers["ETag"] == f'"{shown["etag"]}"'
        assert shown["bytes"] in {before["bytes"], large.stat().st_size}
        assert len(one.files()) == 1
        assert not list((one.data_dir / "tmp").iterdir())


def test_webhook_owed_before_a_kill_is_sent_after_it(own_media, clip, moody_receiver):
    one = own_media()
    moody_receiver.refusals = 1
    one.upload_video(clip, public_id="owed", notification_url=moody_receiver.url)
    until(lambda: moody_receiver.got)
    one.stop(signal.SIGKILL)
    one.start()
    until(lambda: len(moody_receiver.got) == 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_orderly_stop_ends_the_encoder(own_media, long_clip, number):
    one = own_media()
    one.upload_video(long_clip, public_id="stopped")
    one.explicit("stopped", eager=STREAM, eager_async=True)
    until(one.encoders)
    assert one.stop(number) == 0
    assert one.encoders() == []


def test_renders_that_always_kill_the_server_are_given_up(own_media, long_clip, receiver):
    one = own_media()
    one.upload_video(long_clip, public_id="deadly")
    one.explicit("deadly", eager=STREAM, eager_async=True, eager_notification_url=receiver.url)
    for _ in range(3):
        until(one.encoders)
        one.stop(signal.SIGKILL)
        one.start()
    notice = until(lambda: receiver.notices("eager"), 20)[0]
    assert notice["eager"][0]["status"] == "failed"


def test_second_copy_on_the_same_data_is_refused(own_media):
    import subprocess
    import sys

    from tests.cloudinary_local.conftest import ROOT, free_port

    one = own_media()
    command = [
        sys.executable,
        "-m",
        "cloudinary_local",
        "--port",
        str(free_port()),
        "--data-dir",
        str(one.data_dir),
    ]
    second = subprocess.run(
        [*command, "--cloud", "c", "--key", "k", "--secret", "s"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=patience(20),
    )
    assert second.returncode == 1
    assert "belongs to a running copy" in second.stderr


def test_two_hundred_idle_connections_do_not_freeze_it(media):
    import socket

    idle = [socket.create_connection(("127.0.0.1", media.port)) for _ in range(200)]
    try:
        for one in idle:
            one.sendall(b"GET /healthz HTTP/1.1\r\n")
        assert media.is_ready()
    finally:
        for one in idle:
            one.close()
