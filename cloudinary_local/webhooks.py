"""Signed webhooks from a persistent queue, with retries and back-off."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from cloudinary_local.settings import Settings
from cloudinary_local.signing import sign_webhook
from cloudinary_local.store import Store

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_SENDERS = 4


class Webhooks:
    """Sends what the `webhooks` table owes; a row goes only once a receiver answered 2xx."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._busy: set[int] = set()
        self._http = urllib3.PoolManager(timeout=settings.webhook_timeout, retries=False, maxsize=_SENDERS)
        self._senders = ThreadPoolExecutor(_SENDERS, thread_name_prefix="webhook")
        self._thread = threading.Thread(target=self._loop, name="webhooks", daemon=True)

    def owe(self, url: str, body: dict[str, Any]) -> None:
        """Queue a notification, in the caller's transaction if there is one."""
        for one in url.split():
            if one.startswith(("http://", "https://")):
                text = json.dumps(body).encode()
                self._store.run(
                    "INSERT INTO webhooks (url, body, due) VALUES (?,?,?)", one, text, time.time()
                )

    def wake(self) -> None:
        """Look at once for what is owed; call it after the commit."""
        self._wake.set()

    def start(self) -> None:
        """Start sending, first what an earlier run still owed."""
        self._thread.start()

    def stop(self) -> None:
        """Stop; what was not answered stays in the table."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()
        self._senders.shutdown(wait=True, cancel_futures=True)

    def _loop(self) -> None:
        while not self._stopping.is_set():
            for row in self._store.rows(
                "SELECT * FROM webhooks WHERE state='due' AND due<=? ORDER BY due LIMIT 50", time.time()
            ):
                if row["id"] not in self._busy:
                    self._busy.add(row["id"])
                    self._senders.submit(self._send, row["id"], row["url"], row["body"], row["attempts"])
            self._wake.wait(0.5)
            self._wake.clear()

    def _send(self, number: int, url: str, body: bytes, attempts: int) -> None:
        try:
            answer = self._post(url, body)
            if answer.startswith("2"):
                self._store.run("DELETE FROM webhooks WHERE id=?", number)
                return
            attempts += 1
            pause = min(_FIRST_PAUSE * 2 ** (attempts - 1), _LONGEST_PAUSE)
            state = "due" if attempts < self._settings.webhook_attempts else "given up"
            self._store.run(
                "UPDATE webhooks SET attempts=?, due=?, state=?, answer=? WHERE id=?",
                attempts, time.time() + pause, state, answer, number,
            )  # fmt: skip
        finally:
            self._busy.discard(number)

    def _post(self, url: str, body: bytes) -> str:
        now = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Cloudinary",
            "X-Cld-Timestamp": str(now),
            "X-Cld-Signature": sign_webhook(body, now, self._settings.secret),
        }
        try:
            return str(self._http.request("POST", url, body=body, headers=headers, redirect=False).status)
        except (HTTPError, ValueError) as error:
            return f"{type(error).__name__}: {error}"[:300]
