"""Videos: metadata first, then bytes; READY videos play, everything else says why it does not yet."""

from schemas._fields import choice, counters, flag, listing, mapping, moment, number, ref, text, whole

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

resource = {
    "schema": {
        "channel": ref("channels", required=True),
        "owner": ref("users", readonly=True),
        "title": text(min=1, max=150, required=True),
        "description": text(max=5000),
        "tags": listing(text(min=1, max=40), max=30),
        "category": text(max=40),
        "language": text(max=10, pattern=r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*"),
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
        "media_version": whole(readonly=True),
        "duration": number(readonly=True, nullable=True),
        "width": whole(readonly=True, nullable=True),
        "height": whole(readonly=True, nullable=True),
        "thumbnail": text(max=1000, readonly=True, nullable=True),
        "thumbnails": {"type": "list", "readonly": True, "nullable": True},
        "renditions": {"type": "list", "readonly": True, "nullable": True},
        "hls": text(max=1000, readonly=True, nullable=True),
        "chapters": listing(
            mapping({"start": number(required=True), "title": text(min=1, max=100, required=True)}), max=100
        ),
        "comment_policy": choice("open", "approval", "off"),
        "pinned_comment": ref("comments", readonly=True, nullable=True),
        "counters": counters("comments", kept_by_job=("views", "engaged_views", "likes", "dislikes")),
    },
    "mongo_indexes": {
        "by_owner": [("owner", 1), ("_id", -1)],
        "by_channel": [("channel", 1), ("_id", -1)],
        "public_by_channel": [
            ("channel", 1),
            ("visibility", 1),
            ("status", 1),
            ("deleted_at", 1),
            ("published_at", -1),
            ("_id", -1),
        ],
        "public_by_date": [
            ("visibility", 1),
            ("status", 1),
            ("deleted_at", 1),
            ("published_at", -1),
            ("_id", -1),
        ],
        "public_by_category": [
            ("category", 1),
            ("visibility", 1),
            ("status", 1),
            ("deleted_at", 1),
            ("published_at", -1),
            ("_id", -1),
        ],
        "public_by_tag": [
            ("tags", 1),
            ("visibility", 1),
            ("status", 1),
            ("deleted_at", 1),
            ("published_at", -1),
            ("_id", -1),
        ],
        "by_status": [("status", 1), ("_id", -1)],
    },
    "policy": {
        "owner": "channel.owner",
        "roles": {"moderator": ["GET", "PATCH", "DELETE"]},
        "readable": {"visibility": "public", "status": "READY"},
        "readable_by_link": {"visibility": "unlisted", "status": "READY"},
        "fields": {
            "channel": {"write": ["create"]},
            "owner": {"write": ["server"]},
            "published_at": {"write": ["server"]},
            "status": {"write": ["server"]},
            "status_detail": {"read": ["owner", "moderator"], "write": ["server"]},
            "publish_at": {"read": ["owner", "moderator"]},
            "media": {"read": ["owner", "moderator"], "write": ["server"]},
            "pending_media": {"read": ["server"], "write": ["server"]},
            "media_version": {"read": ["server"], "write": ["server"]},
            "duration": {"write": ["server"]},
            "width": {"write": ["server"]},
            "height": {"write": ["server"]},
            "thumbnail": {"write": ["server"]},
            "thumbnails": {"write": ["server"]},
            "renditions": {"write": ["server"]},
            "hls": {"read": ["server"], "write": ["server"]},
            "pinned_comment": {"write": ["server"]},
            "counters": {"write": ["server"]},
        },
        "queries": [
            {"filter": [], "sort": "-published_at"},
            {"filter": ["channel"], "sort": "-published_at"},
            {"filter": ["category"], "sort": "-published_at"},
            {"filter": ["tags"], "sort": "-published_at"},
            {"filter": ["owner"], "sort": "-_id", "view": "owned"},
            {"filter": ["channel"], "sort": "-_id", "view": "owned"},
            {"filter": ["status"], "sort": "-_id", "view": "all"},
        ],
        "embeds": {
            "channel": ["handle", "name", "avatar"],
            "owner": ["username", "display_name", "avatar"],
        },
        "counts": {
            "channel": {"counter": "counters.videos", "when": {"visibility": "public", "status": "READY"}}
        },
        "on_parent_delete": {"channel": "cascade", "owner": "cascade"},
        "mounts": {"channel": "channels/{channel}/videos"},
        "states": {
            "status": {
                "start": "DRAFT",
                "moves": {
                    "DRAFT": {"UPLOADING": ["owner"]},
                    "UPLOADING": {"PROCESSING": ["server"], "DRAFT": ["server"], "FAILED": ["server"]},
                    "PROCESSING": {"READY": ["server"], "FAILED": ["server"], "DRAFT": ["server"]},
                    "READY": {"UPLOADING": ["owner"], "BLOCKED": ["moderator"]},
                    "FAILED": {"UPLOADING": ["owner"], "PROCESSING": ["owner"], "BLOCKED": ["moderator"]},
                    "BLOCKED": {"READY": ["moderator"]},
                },
                "deadlines": {
                    "UPLOADING": {
                        "after": "upload_deadline_seconds",
                        "then": "FAILED",
                        "code": "upload_timeout",
                    },
                    "PROCESSING": {"after": "process_deadline_seconds", "then": "FAILED", "code": "timeout"},
                },
            }
        },
        "soft_delete": {"keep": "purge_after_seconds"},
        "actions": {
            "upload": {
                "method": "POST",
                "title": "Upload the file",
                "who": ["owner"],
                "when": {"status": OPEN},
            },
            "uploads": {
                "method": "POST",
                "title": "Begin an upload",
                "who": ["owner"],
                "when": {"status": OPEN},
            },
            "thumbnail": {
                "method": "PUT",
                "title": "Set the thumbnail",
                "who": ["owner"],
                "when": {"status": "READY"},
            },
            "publish": {
                "method": "POST",
                "title": "Make it public",
                "who": ["owner"],
                "when": {"status": OPEN, "visibility": ["private", "unlisted"]},
            },
            "unpublish": {
                "method": "POST",
                "title": "Make it private",
                "who": ["owner"],
                "when": {"visibility": ["public", "unlisted"]},
            },
            "retry": {
                "method": "POST",
                "title": "Process it again",
                "who": ["owner", "moderator"],
                "when": {"status": "FAILED", "status_detail.retryable": True},
            },
            "restore": {
                "method": "POST",
                "title": "Restore it",
                "who": ["owner", "moderator"],
                "when": {"deleted_at": {"$ne": None}},
            },
            "playback": {"method": "GET", "title": "Play it", "who": ["anyone"], "when": {"status": "READY"}},
        },
        "cache": 15,
        "rate": "write",
        "events": ["created", "updated", "deleted", "READY", "FAILED"],
    },
}
