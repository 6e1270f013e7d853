"""Videos: metadata first, then bytes; READY videos play, everything else says why it does not yet."""

from schemas._fields import (
    CHANNEL,
    PERSON,
    action,
    choice,
    counters,
    each,
    flag,
    keys,
    language,
    line,
    listing,
    mapping,
    moment,
    number,
    prose,
    ref,
    tag,
    text,
    whole,
)

MEDIA = mapping(
    {
        "public_id": text(max=200),
        "version": whole(),
        "format": text(max=20),
        "bytes": whole(),
        "duration": number(),
        "width": whole(),
        "height": whole(),
        "checksum": text(max=100),
    },
    readonly=True,
    nullable=True,
)
# An upload may begin in these states; in READY it replaces the file.
OPEN = ["DRAFT", "READY", "FAILED"]
READY = {"status": "READY"}
PUBLIC = {"visibility": "public", **READY}
# What playback signs.
PLAYABLE = {name: {"$ne": None} for name in ("media", "duration", "renditions", "thumbnails", "hls")}
# What a list of public videos fixes.
LISTED = (*PUBLIC, "deleted_at")
PUBLISHABLE = {"status": OPEN, "visibility": ["private", "unlisted"]}
PROTECTED = {"protected": True}
RETRYABLE = {"status": "FAILED", "status_detail.retryable": True}
GIVEN_UP = {"then": "FAILED", "clears": ["pending_media"]}
STATUS = {
    "start": "DRAFT",
    "moves": {
        "DRAFT": {"UPLOADING": ["owner"]},
        "UPLOADING": {"PROCESSING": ["server"], "DRAFT": ["server"], "FAILED": ["server"]},
        "PROCESSING": {"READY": ["server"], "FAILED": ["server"], "DRAFT": ["server"]},
        "READY": {"UPLOADING": ["owner"], "BLOCKED": ["moderator"]},
        "FAILED": {"UPLOADING": ["owner"], "PROCESSING": ["owner"], "BLOCKED": ["moderator"]},
        "BLOCKED": {"READY": ["moderator"], "FAILED": ["moderator"]},
    },
    "remembers": {"BLOCKED": {"into": "interrupted", "along": ["status_detail"]}},
    "invariants": {"READY": PLAYABLE},
    "deadlines": {
        "UPLOADING": {"after": "upload_deadline_seconds", "code": "upload_timeout", **GIVEN_UP},
        "PROCESSING": {"after": "process_deadline_seconds", "code": "timeout", **GIVEN_UP},
    },
}

resource = {
    "schema": {
        "channel": ref("channels", required=True),
        "owner": ref("users", readonly=True),
        "title": line(min=1, max=150, required=True),
        "title_key": text(max=3000, readonly=True),
        "description": prose(max=5000),
        "tags": listing(tag(min=1, max=40), max=30, coerce="distinct_tags"),
        "tag_keys": listing(text(max=1000), max=30, readonly=True),
        "category": line(max=40),
        "language": language(),
        "visibility": choice("private", "public", "unlisted"),
        "publish_at": moment(),
        "published_at": moment(readonly=True),
        "status": choice("DRAFT", "UPLOADING", "PROCESSING", "READY", "FAILED", "BLOCKED", readonly=True),
        "status_detail": mapping(
            {
                "code": text(max=60),
                "message": text(max=500),
                "retryable": flag(),
                "since": moment(),
                "deadline": moment(),
            },
            readonly=True,
            nullable=True,
        ),
        "media": MEDIA,
        "pending_media": {"type": "dict", "readonly": True, "nullable": True},
        "interrupted": {"type": "dict", "readonly": True, "nullable": True},
        "media_version": whole(readonly=True),
        "duration": number(readonly=True, nullable=True),
        "width": whole(readonly=True, nullable=True),
        "height": whole(readonly=True, nullable=True),
        "thumbnail": text(max=1000, readonly=True, nullable=True),
        "thumbnails": {"type": "list", "readonly": True, "nullable": True},
        "renditions": {"type": "list", "readonly": True, "nullable": True},
        "hls": text(max=1000, readonly=True, nullable=True),
        "chapters": listing(
            mapping({"start": number(required=True), "title": line(min=1, max=100, required=True)}), max=100
        ),
        "comment_policy": choice("open", "approval", "off"),
        "age_restricted": flag(default=False),
        "downloads": flag(default=False),
        "protected": flag(readonly=True, meta={"start": False}),
        "pinned_comment": ref("comments", readonly=True, nullable=True),
        "counters": counters(
            "comments", "likes", "dislikes", "captions", kept_by_job=("views", "engaged_views")
        ),
    },
    "mongo_indexes": {
        # Its `channel` lets the subscription feed pass over other channels without reading their videos.
        "public_by_date": keys(*LISTED, "-published_at", "-_id", "channel"),
        "public_by_views": keys(*LISTED, "-counters.views", "-_id"),
        "public_by_title": keys(*LISTED, "title_key"),
        "by_publication": (keys("publish_at"), {"sparse": True}),
        "by_pinned": (keys("pinned_comment"), {"sparse": True}),
    },
    "policy": {
        "owner": "channel.owner",
        "roles": {"moderator": ["GET", "PATCH", "DELETE"]},
        "readable": PUBLIC,
        "readable_by_link": {"visibility": "unlisted", **READY},
        "fields": {
            **each(
                "title_key",
                "tag_keys",
                "pending_media",
                "interrupted",
                "media_version",
                "hls",
                read=["server"],
            ),
            **each("status_detail", "publish_at", "media", read=["owner", "moderator"]),
            **each("channel", write=["create"]),
        },
        "folded": {"title_key": "title", "tag_keys": "tags"},
        "searched": {"title": 10, "tags": 5, "description": 1},
        "queries": [
            {"filter": [], "sort": "-published_at"},
            {"filter": ["channel"], "sort": "-published_at"},
            {"filter": ["category"], "sort": "-published_at"},
            {"filter": ["tags"], "sort": "-published_at", "index": "public_by_tag"},
            {"filter": ["owner"], "sort": "-_id", "view": "owned"},
            {"filter": ["channel"], "sort": "-_id", "view": "owned"},
            {"filter": ["status"], "sort": "-_id", "view": "all"},
        ],
        "embeds": {"channel": CHANNEL, "owner": PERSON},
        "counts": {"channel": {"counter": "counters.videos", "when": PUBLIC}},
        "on_parent_delete": {"channel": "cascade", "owner": "cascade", "pinned_comment": "orphan"},
        "mounts": {"channel": "channels/{channel}/videos"},
        "states": {"status": STATUS},
        "beside": {"video_passwords": "_id", "uploads": "video"},
        "stamps": {"published_at": PUBLIC},
        "soft_delete": {"keep": "purge_after_seconds"},
        "actions": {
            "upload": action("POST", "Upload the file", "owner", when={"status": OPEN}),
            "uploads": action(
                "POST", "Begin or resume an upload", "owner", when={"status": ["UPLOADING", *OPEN]}
            ),
            "thumbnail": action("PUT", "Set the thumbnail", "owner", when=READY),
            "publish": action("POST", "Make it public", "owner", when=PUBLISHABLE),
            "unpublish": action(
                "POST", "Make it private", "owner", when={"visibility": ["public", "unlisted"]}
            ),
            "retry": action("POST", "Process it again", "owner", "moderator", when=RETRYABLE),
            "restore": action("POST", "Restore it", "owner", "moderator", when={"deleted_at": {"$ne": None}}),
            "playback": action("GET", "Play it", "anyone", when=READY),
            "password": action("PUT", "Protect it with a password", "owner"),
            "unprotect": action("DELETE", "Take its password off", "owner", when=PROTECTED, path="password"),
            "unlock": action("POST", "Open it with its password", "anyone", when=PROTECTED),
            "download": action("GET", "Download it", "anyone", when={**READY, "downloads": True}),
            "views": action("POST", "Tell that it is being watched", "anyone", when=READY),
            "related": action("GET", "What to watch next", "anyone", when=READY),
            "like": action("PUT", "Like or dislike it", "user", when=READY),
            "unlike": action("DELETE", "Take your rating of it back", "user", when=READY, path="like"),
            "stats": action("GET", "How it is doing", "owner", "moderator"),
        },
        "cache": 15,
        "rate": "write",
        "events": ["created", "updated", "deleted", "READY", "FAILED", "published"],
        "notices": {
            "new_video": {
                "to": {"of": "subscriptions", "by": "channel", "when": {"level": "all"}},
                "by": "_id",
                "when": PUBLIC,
                "on": ["published"],
            },
            "processing": {"to": "owner", "by": "_id", "on": ["READY", "FAILED"]},
        },
    },
}
