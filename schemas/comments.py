"""Comments: threads below a video and one level of replies; a reply names whom it answers."""

from schemas._fields import choice, counters, flag, listing, moment, ref, text

resource = {
    "schema": {
        "video": ref("videos", required=True),
        "author": ref("users", readonly=True),
        "parent": ref("comments"),
        "reply_to": ref("users"),
        "text": text(min=1, max=5000, required=True),
        "mentions": listing(ref("users"), max=20, readonly=True),
        "status": choice("published", "held", "rejected", readonly=True),
        "edited_at": moment(readonly=True),
        "pinned": flag(readonly=True),
        "hearted": flag(readonly=True),
        "placeholder": flag(readonly=True),
        "counters": counters("replies", kept_by_job=("likes", "dislikes")),
    },
    "mongo_indexes": {
        "by_video": [("video", 1), ("parent", 1), ("status", 1), ("_id", -1)],
        "by_top": [("video", 1), ("parent", 1), ("status", 1), ("counters.likes", -1), ("_id", -1)],
        "by_parent": [("parent", 1), ("status", 1), ("_id", 1)],
        "by_author": [("author", 1), ("_id", -1)],
        "held": [("video", 1), ("status", 1), ("_id", -1)],
    },
    "policy": {
        "owner": "author",
        "roles": {"host": ["DELETE"], "moderator": ["GET", "DELETE"]},
        "readable": {"status": "published"},
        "readable_with": "video",
        "fields": {
            "video": {"write": ["create"]},
            "parent": {"write": ["create"]},
            "reply_to": {"write": ["create"]},
            "mentions": {"write": ["server"]},
        },
        "queries": [
            {"filter": ["video", "parent"], "sort": "-_id"},
            {"filter": ["video", "parent"], "sort": "-counters.likes"},
            {"filter": ["parent"], "sort": "_id"},
            {"filter": ["video", "status"], "sort": "-_id", "view": "hosted"},
            {"filter": ["author"], "sort": "-_id", "view": "owned"},
        ],
        "embeds": {"author": ["username", "display_name", "avatar"]},
        "counts": {
            "video": {"counter": "counters.comments", "when": {"status": "published"}},
            "parent": {"counter": "counters.replies", "when": {"status": "published"}},
        },
        "on_parent_delete": {"video": "cascade", "parent": "cascade", "author": "keep"},
        "mounts": {
            "video": {"url": "videos/{video}/comments", "filter": {"parent": None}},
            "parent": "comments/{parent}/replies",
        },
        "states": {
            "status": {
                "start": "published",
                "moves": {
                    "held": {"published": ["host", "moderator"], "rejected": ["host", "moderator"]},
                    "published": {"rejected": ["host", "moderator"]},
                    "rejected": {"published": ["host", "moderator"]},
                },
            }
        },
        "cache": 15,
        "events": ["created", "deleted"],
    },
}
