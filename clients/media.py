"""The media store: Cloudinary, through its own SDK. The one place that knows how to talk to it."""

import functools
import logging
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import cloudinary
import cloudinary.api
import cloudinary.uploader
import cloudinary.utils
from cloudinary.exceptions import (
    AlreadyExists,
    AuthorizationRequired,
    BadRequest,
    NotAllowed,
    NotFound,
    RateLimited,
)

from clients.breaker import Breaker
from clients.clock import now
from clients.media_chunks import Forgotten, Sending, send_chunks
from clients.media_urls import MediaFile, sign
from settings import PREFIX, Settings

log = logging.getLogger(__name__)
T = TypeVar("T")
KIND = {"resource_type": "video", "type": "authenticated"}
CALL_SECONDS = 60.0
# A webhook older or younger than this is refused; the local clock and Cloudinary's may differ a little.
WEBHOOK_AGE_SECONDS = 2 * 3600
WEBHOOK_SKEW_SECONDS = 300
NEVER_RIGHT = (AlreadyExists, AuthorizationRequired, BadRequest, NotAllowed)


class MediaRefused(Exception):
    """Cloudinary says no, and would say so again."""


class MediaUnavailable(Exception):
    """Cloudinary cannot answer now; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class MediaStore:
    """Stores, derives, signs, deletes. All is stored as `authenticated`: nothing plays without a token."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.breaker = Breaker(failures=5, pause_seconds=10.0, part="media")
        self.quota_again = 0.0
        configure(settings)

    @property
    def notification_url(self) -> str:
        """Where Cloudinary reports to."""
        return f"{self.settings.media_webhook_url or self.settings.public_url}{PREFIX}/hooks/cloudinary"

    def public_id(self, video_id: Any, media_version: int) -> str:
        """Return the name of a video's file: the same upload repeated replaces it, a new one does not."""
        return f"{self.settings.media_prefix}/{video_id}/{media_version}"

    def incoming_id(self, upload_id: Any) -> str:
        """Return the name under which a client may upload directly."""
        return f"{self.settings.media_prefix}/incoming/{upload_id}"

    def store(
        self,
        path: Path,
        public_id: str,
        eager: list[str],
        note: Callable[[Sending, float], None] = lambda sending, share: None,
        begun: Sending | None = None,
    ) -> dict[str, Any]:
        """Send a file in chunks, ask for its derived files, and return Cloudinary's description of it.

        `begun` is what an earlier attempt noted last; what Cloudinary no longer has of it is sent again.
        """
        options = {"public_id": public_id, "overwrite": True, "invalidate": True, **self.eager(eager), **KIND}
        if begun and begun.sent:
            try:
                return self.call(lambda: send_chunks(path, begun, note, options))
            except (Forgotten, MediaRefused) as reason:
                log.warning("%s: the upload begins anew: %r", public_id, reason)
        sent = self.call(lambda: send_chunks(path, Sending.fresh(), note, options))
        if not sent:
            raise MediaRefused("the file is empty")
        return sent

    def derive(self, public_id: str, eager: list[str]) -> dict[str, Any]:
        """Ask for derived files of a stored video."""
        return self.call(
            lambda: cloudinary.uploader.explicit(public_id, timeout=CALL_SECONDS, **self.eager(eager), **KIND)
        )

    def eager(self, eager: list[str]) -> dict[str, Any]:
        """Return the options for work that Cloudinary does later and reports by webhook."""
        return {"eager": eager, "eager_async": True, "eager_notification_url": self.notification_url}

    def look_up(self, public_id: str, resource_type: str = "video") -> dict[str, Any] | None:
        """Describe a stored file and what was derived from it; None if there is none. Uses the quota."""
        if time.time() < self.quota_again:
            raise MediaUnavailable("the Admin API's quota is used up", self.quota_again - time.time())
        found = self.call(
            lambda: cloudinary.api.resource(
                public_id,
                resource_type=resource_type,
                type="authenticated",
                max_results=500,  # of derived files; 10 unless told
                timeout=CALL_SECONDS,
            ),
            missing=None,
        )
        self.mind_quota(found)
        return found

    def names(self, prefix: str, resource_type: str) -> Iterator[tuple[str, str]]:
        """Yield (public id, creation time) of every file of ours below a prefix."""
        cursor = None
        while True:
            options = {"prefix": prefix, "max_results": 500, "next_cursor": cursor, "timeout": CALL_SECONDS}
            page = self.call(
                functools.partial(
                    cloudinary.api.resources, resource_type=resource_type, type="authenticated", **options
                )
            )
            self.mind_quota(page)
            yield from ((one["public_id"], one["created_at"]) for one in page["resources"])
            cursor = page.get("next_cursor")
            if not cursor:
                return

    def mind_quota(self, answer: Any) -> None:
        """Stop asking the Admin API when it says that nothing is left, until it says so."""
        if getattr(answer, "rate_limit_remaining", None) == 0:
            reset = getattr(answer, "rate_limit_reset_at", None)
            self.quota_again = time.mktime(reset) - time.timezone if reset else time.time() + 60

    def rename(self, old: str, new: str) -> dict[str, Any]:
        """Give a file another name; what was derived from it moves along."""
        return self.call(
            lambda: cloudinary.uploader.rename(old, new, overwrite=True, timeout=CALL_SECONDS, **KIND)
        )

    def store_image(self, data: bytes, public_id: str) -> dict[str, Any]:
        """Store a small picture."""
        return self.call(
            lambda: cloudinary.uploader.upload(
                data, public_id=public_id, overwrite=True, invalidate=True, resource_type="image",
                type="authenticated", timeout=CALL_SECONDS,
            )
        )  # fmt: skip

    def destroy(self, public_id: str, resource_type: str = "video") -> bool:
        """Delete a file and all that was derived from it; False when there was none."""
        answer = self.call(
            lambda: cloudinary.uploader.destroy(
                public_id,
                resource_type=resource_type,
                type="authenticated",
                invalidate=True,
                timeout=CALL_SECONDS,
            )
        )
        return bool(answer.get("result") == "ok")

    def direct_form(self, upload_id: Any) -> dict[str, Any]:
        """Sign the form with which a client sends one file to Cloudinary itself, within the hour."""
        fields = cloudinary.utils.build_upload_params(
            public_id=self.incoming_id(upload_id),
            type="authenticated",
            overwrite=True,
            notification_url=self.notification_url,
        )
        signed = cloudinary.utils.sign_request(cloudinary.utils.cleanup_params(fields), {})
        return {
            "url": cloudinary.utils.cloudinary_api_url("upload", resource_type="video"),
            "fields": {name: str(value) for name, value in signed.items()},
        }

    def url(
        self, public_id: str, version: int, eager: str, expires_at: int, resource_type: str = "video"
    ) -> str:
        """Return a URL that opens one derived file, or one stream, without headers until it expires.

        `expires_at` is in Unix seconds; nothing is signed for longer than playback is.
        """
        latest = int(time.time() + self.settings.playback_seconds)
        file = MediaFile(public_id, version, eager, resource_type)
        return sign(file, self.settings.media_token_key, min(expires_at, latest))

    def is_genuine(self, body: bytes, timestamp: str, signature: str) -> bool:
        """Tell whether a webhook comes from Cloudinary: signature over the raw bytes, and age both ways."""
        try:
            if int(timestamp) > time.time() + WEBHOOK_SKEW_SECONDS:
                return False
            return bool(
                cloudinary.utils.verify_notification_signature(
                    body.decode(), timestamp, signature, WEBHOOK_AGE_SECONDS,
                    algorithm="sha256" if len(signature) == 64 else "sha1",
                )
            )  # fmt: skip
        except ValueError:  # not a number, not UTF-8
            return False

    def call(self, ask: Callable[[], T], **default: T) -> T:
        """Ask Cloudinary; sort its refusals from its troubles, and stop asking while it is down."""
        if self.breaker.wait_seconds:
            raise MediaUnavailable("Cloudinary is down", self.breaker.wait_seconds)
        try:
            answer = ask()
        except NotFound as error:
            self.breaker.worked()
            if "missing" in default:
                return default["missing"]
            raise MediaRefused(str(error)) from error
        except NEVER_RIGHT as error:
            self.breaker.worked()
            raise MediaRefused(str(error)) from error
        except RateLimited as error:
            # It is alive and says until when (the SDK keeps Retry-After to itself): no failure for the breaker.
            raise MediaUnavailable(str(error)[:300], wait_told(str(error))) from error
        except Exception as error:
            # The SDK raises a bare Exception on 423 and 502, its own kinds on 5xx and lost lines.
            if not type(error).__module__.startswith("cloudinary") and type(error) is not Exception:
                raise
            self.breaker.failed()
            raise MediaUnavailable(str(error)[:300]) from error
        self.breaker.worked()
        return answer


def wait_told(message: str) -> float:
    """Return the seconds until the moment that a rate limit names, at most an hour; 10 when it names none."""
    found = re.search(r"Try again on (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", message)
    if not found:
        return 10.0
    until = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    return min(3600.0, max(1.0, (until - now()).total_seconds()))


def configure(settings: Settings) -> None:
    """Set up the SDK with real types: strings from its own variables would be truthy or crash it."""
    account, _, cloud = settings.cloudinary_url.removeprefix("cloudinary://").rpartition("@")
    key, _, secret = account.partition(":")
    delivery = urlsplit(settings.media_delivery_url)
    plain = delivery.scheme == "http"
    cloudinary.config(
        cloud_name=cloud.partition("?")[0].rstrip("/"),
        api_key=unquote(key),
        api_secret=unquote(secret),
        upload_prefix=settings.media_api_url or None,
        secure=not plain,
        cname=delivery.netloc if plain else None,
        secure_distribution=delivery.netloc if delivery.scheme == "https" else None,
        private_cdn=False,
        signature_version=2,
        timeout=CALL_SECONDS,
    )
