"""A proxy that misbehaves on request, to stand between us and Cloudinary in either direction."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}


class FaultProxy:
    """Forwards HTTP to `target`. A fault is (part of the path, times, what to do): see `Handler.misbehave`."""

    def __init__(self):
        self.target = None
        self.faults = []
        self.seen = []
        self.held = []
        self.lock = threading.Lock()
        proxy = self

        class Bound(Handler):
            pass

        Bound.proxy = proxy
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def add(self, part, times, deed):
        self.faults.append([part, times, deed])

    def clear(self):
        self.faults.clear()
        self.seen.clear()
        self.held.clear()

    def fault_for(self, path):
        """Use up one fault that fits this path."""
        with self.lock:
            self.seen.append(path)
            for fault in self.faults:
                if fault[0] in path and fault[1] > 0:
                    fault[1] -= 1
                    return fault[2]
        return None

    def forward(self, method, path, headers, body):
        """Pass a request on; return (status, headers, body)."""
        line = http.client.HTTPConnection(urlsplit(self.target).netloc, timeout=60)
        try:
            line.request(
                method, path, body, {k: v for k, v in headers.items() if k.lower() not in HOP | {"host"}}
            )
            answer = line.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            line.close()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    proxy = None

    def log_message(self, *words):
        pass

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = (self.command, self.path, dict(self.headers), body)
        deed = self.proxy.fault_for(self.path)
        if deed is None:
            self.answer(*self.proxy.forward(*request))
        else:
            self.misbehave(deed, request)

    do_GET = do_POST = do_DELETE = do_PUT = handle_one

    def misbehave(self, deed, request):
        if isinstance(deed, tuple):  # (status, headers): answer so, do nothing
            self.answer(deed[0], deed[1], b'{"error": {"message": "made to fail"}}')
        elif deed == "drop":  # the connection breaks before anything happens
            self.close_connection = True
            self.connection.close()
        elif deed == "lose":  # it happens, and nobody learns of it
            self.proxy.forward(*request)
            self.close_connection = True
            self.connection.close()
        elif deed == "twice":
            self.proxy.forward(*request)
            self.answer(*self.proxy.forward(*request))
        elif deed == "hold":  # accepted, to be sent later by the test
            self.proxy.held.append(request)
            self.answer(200, [], b"{}")

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP | {"date", "server"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
