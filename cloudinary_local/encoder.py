"""Runs ffmpeg: confined, in its own process group, ended when it takes too long or is not wanted."""

import os
import signal
import subprocess
import threading

import imageio_ffmpeg

from cloudinary_local.launch import launcher
from cloudinary_local.settings import MIB

# An encoder takes what nobody else wants.
LAST = 19


class RenderFailed(Exception):
    """ffmpeg ended with an error, took too long or was told to stop."""


def run(args: list[str], limit_seconds: int, limit_bytes: int, stop: threading.Event) -> None:
    """Run ffmpeg in its own process group; end the group on time-out or when told to stop."""
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *args]
    process = subprocess.Popen(
        [*launcher(signal.SIGKILL, LAST, limit_bytes, limit_seconds), *program],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        _await(process, limit_seconds, stop)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        noise = process.communicate()[1]
    if process.returncode:
        last = noise.decode(errors="replace").strip().rpartition("\n")[2]
        raise RenderFailed(last[:300] or f"ffmpeg ended with {process.returncode}")


def _await(process: subprocess.Popen[bytes], limit_seconds: int, stop: threading.Event) -> None:
    waited = 0.0
    while waited < limit_seconds and not stop.is_set():
        try:
            process.communicate(timeout=0.2)
            return
        except subprocess.TimeoutExpired:
            waited += 0.2
    raise RenderFailed("Processing was stopped" if stop.is_set() else "Processing took too long")


def output_limit(source_bytes: int) -> int:
    """Bound one output file: generous for re-encoding, finite for a bomb."""
    return max(256 * MIB, source_bytes * 8)
