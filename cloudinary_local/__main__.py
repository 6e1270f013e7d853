"""Run the local media server in the foreground: `python -m cloudinary_local --port P ...`."""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from cloudinary_local.app import create_app
from cloudinary_local.server import Server
from cloudinary_local.settings import Settings

_IDLE_SECONDS = 75


class _Handler(WSGIRequestHandler):
    """Gives up on clients that neither send nor read, and keeps the log quiet."""

    timeout = _IDLE_SECONDS

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        pass

    def log_error(self, format: str, *args: Any) -> None:
        pass


class _HttpServer(ThreadedWSGIServer):
    """A thread for each connection: many idle ones cost memory, never an answer."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512


def serve(
    host: str, port: int, data_dir: str | Path, cloud: str, key: str, secret: str, **options: Any
) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code. `options` are further Settings."""
    settings = Settings(host, port, Path(data_dir).resolve(), cloud, key, secret, **options)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = Server(settings)
    http = _HttpServer(host, port, create_app(server), _Handler)
    server.start()
    listener = threading.Thread(target=http.serve_forever, name="http", daemon=True)
    listener.start()
    stop.wait()
    http.shutdown()
    http.server_close()
    server.stop()
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="cloudinary_local", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--cloud", required=True, help="cloud name")
    parser.add_argument("--key", required=True, help="API key")
    parser.add_argument("--secret", required=True, help="API secret")
    parser.add_argument(
        "--token-key", default="", help="hex key of auth tokens (default: derived from the secret)"
    )
    parser.add_argument("--webhook-timeout", type=float, default=10.0, help="seconds to wait for a receiver")
    parser.add_argument("--eager-delay", type=float, default=0.0, help="seconds to wait before each render")
    parser.add_argument("--renders", type=int, default=1, help="how many ffmpeg run at a time")
    parser.add_argument("--max-bytes", type=int, default=5 * 1024**3, help="largest file accepted")
    parser.add_argument("--remote-from", action="append", default=[], metavar="URL_PREFIX",
                        help="allow uploads from URLs with this prefix")  # fmt: skip
    given = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        return serve(
            given.host, given.port, given.data_dir, given.cloud, given.key, given.secret,
            token_key=given.token_key, webhook_timeout=given.webhook_timeout, eager_delay=given.eager_delay,
            renders=max(1, given.renders), max_bytes=given.max_bytes,
            remote_prefixes=tuple(given.remote_from),
        )  # fmt: skip
    except (OSError, ValueError) as error:
        print(f"cloudinary_local: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
