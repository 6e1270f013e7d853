"""The way from nothing to a film that others watch and talk about, as steps through the operations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FILE = "the film"


@dataclass(frozen=True)
class Step:
    """One request: what it sends, the status it expects, what it keeps of the answer as variables.

    `until`: a field and the value it has in the end; the step is repeated until then.
    """

    operation: str
    status: int = 200
    sends: Any = None
    keeps: Mapping[str, str] = field(default_factory=dict)
    until: tuple[str, str] | None = None
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


ACCOUNT = {"username": "{{username}}", "email": "{{username}}@example.org", "password": "{{password}}"}
SEEN = {"If-Match": "{{etag}}"}
JOURNEY = (
    Step("register", 201, ACCOUNT, {"user": "_id"}),
    Step("login", 200, {"login": "{{username}}", "password": "{{password}}"}, {"token": "access_token"}),
    Step("createChannel", 201, {"handle": "{{username}}-films", "name": "Films"}, {"channel": "_id"}),
    Step("createVideo", 201, {"channel": "{{channel}}", "title": "A walk in the woods"}, {"video": "_id"}),
    Step("uploadVideo", 202, FILE, {"status": "status"}),
    Step("getVideo", keeps={"status": "status"}, until=("status", "READY")),
    Step("playbackVideo", keeps={"hls": "hls"}),
    Step("publishVideo", keeps={"etag": "_etag"}),
    Step("likeVideo", 200, {"value": 1}),
    Step("createCommentInVideo", 201, {"text": "The light at 1:20 is lovely."}, {"comment": "_id"}),
    Step("listCommentsOfVideo"),
    Step("updateVideo", 200, {"title": "A longer walk"}, headers=SEEN),
    # The version seen is an old one now: whoever writes over it unseen is refused.
    Step("updateVideo", 412, {"title": "A walk"}, headers=SEEN, reason="etag_mismatch"),
)
