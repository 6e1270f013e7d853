"""Paced reads with honest latencies: `python -m bench.probe URL RATE PATH [TOKEN_PATH …]`, until its input ends.

Each read is due at a moment of its own, whatever became of those before, and its latency counts from then on: what a
slow server keeps waiting counts as waiting (no coordinated omission). A process of its own, so that nothing but the
server is measured. Prints a JSON list of [moment due, milliseconds, status]; the moment in seconds since the epoch.
"""

import http.client
import itertools
import json
import os
import sys
import threading
import time
from urllib.parse import urlsplit

READERS = 32
TIMEOUT = 30.0


def read(netloc: str, rate: float, asked: list[tuple[str, str]], ended: threading.Event) -> list[list[float]]:
    """Read at a fixed rate until `ended`; return what each read took."""
    began, numbers, found = time.time(), itertools.count(), []

    def reader() -> None:
        connection = http.client.HTTPConnection(netloc, timeout=TIMEOUT)
        while not ended.is_set():
            number = next(numbers)
            due = began + number / rate
            if ended.wait(max(0.0, due - time.time())):
                return
            status = send(connection, *asked[number % len(asked)])
            found.append([due, (time.time() - due) * 1000, status])

    readers = [threading.Thread(target=reader) for _ in range(READERS)]
    for one in readers:
        one.start()
    for one in readers:
        one.join()
    return sorted(found)


def send(connection: http.client.HTTPConnection, path: str, token: str) -> int:
    """Send one GET and read the answer; 0 when there is none."""
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        connection.close()
        return 0


def main(url: str, rate: str, *paths: str) -> None:
    """Read as the command line says; a path after `!` is read with the token in TOKEN."""
    token, ended = os.environ.get("TOKEN", ""), threading.Event()
    asked = [(path.lstrip("!"), token if path.startswith("!") else "") for path in paths]
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    json.dump(read(urlsplit(url).netloc, float(rate), asked, ended), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
