"""Fetching what is delivered: all of it, or an error that says so."""

import io
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from clients.download import NotDownloaded, fetch

BODY = b"x" * 3_000_000


class Delivers(BaseHTTPRequestHandler):
    def do_GET(self):
        status = {"/gone": 404, "/moved": 302}.get(self.path, 200)
        self.send_response(status)
        self.send_header("Location", "/film")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[:1000] if self.path == "/cut" else BODY)

    def log_message(self, *words):
        pass


@pytest.fixture(scope="module")
def url():
    with ThreadingHTTPServer(("127.0.0.1", 0), Delivers) as server:
        server.handle_error = lambda *caller: None  # a fetch that stops early hangs up on us
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_file_of_exactly_the_limit_is_fetched(url):
    target = io.BytesIO()
    assert fetch(f"{url}/film", target, len(BODY)) == len(BODY)
    assert target.getvalue() == BODY


def test_file_over_the_limit_is_given_up_as_soon_as_it_shows(url):
    target = io.BytesIO()
    with pytest.raises(NotDownloaded):
        fetch(f"{url}/film", target, 1_500_000)
    assert len(target.getvalue()) <= 1_500_000


@pytest.mark.parametrize("path", ["gone", "moved", "cut"])
def test_what_is_not_delivered_whole_and_here_is_not_delivered(url, path):
    with pytest.raises(NotDownloaded):
        fetch(f"{url}/{path}", io.BytesIO(), len(BODY))


def test_nobody_there_is_not_delivered():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(NotDownloaded):
            fetch(f"http://127.0.0.1:{free.getsockname()[1]}/", io.BytesIO(), 1)


def test_fetching_can_be_stopped_between_pieces(url):
    def stop():
        raise InterruptedError

    with pytest.raises(InterruptedError):
        fetch(f"{url}/film", io.BytesIO(), len(BODY), stop)
