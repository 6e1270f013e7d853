"""Comments: threads below a video and one level of replies; a reply names whom it answers."""

from schemas._fields import choice, counters, flag, listing, moment, ref, text

SHOWN = {"status": "published", "placeholder": {"$ne": True}}
RATE = {"who": ["user"], "when": SHOWN, "path": "like"}

resource = {
    "schema": {
        "video": ref("videos"),
        "author": ref("users", readonly=True),
        "parent": ref("comments"),
        "reply_to": ref("users", readonly=True, nullable=True),
        "text": text(min=1, max=5000, required=True),
        "mentions": listing(ref("users"), max=20, readonly=True),
        "status": choice("published", "held", "rejected", readonly=True),
        "edited_at": moment(readonly=True),
        "pinned": flag(readonly=True, meta={"start": False}),
        "hearted": flag(readonly=True, meta={"start": False}),
        "placeholder": flag(readonly=True, meta={"start": False}),
        "counters": counters("likes", "dislikes", "replies"),
    },
    "item_methods": ["GET", "PATCH", "DELETE"],
    "mongo_indexes": {
        "by_video": [("video", 1), ("parent", 1), ("status", 1), ("_id", -1)],
        "by_top": [("video", 1), ("parent", 1), ("status", 1), ("counters.likes", -1), ("_id", -1)],
        "by_parent": [("parent", 1), ("status", 1), ("_id", 1)],
        "by_author": [("author", 1), ("_id", -1)],
        "held": [("video", 1), ("status", 1), ("_id", -1)],
        "by_day": [("_created", 1)],
        "by_status": [("status", 1), ("_id", -1)],
    },
    "policy": {
        "owner": "author",
        "roles": {
            "owner": ["GET", "PATCH", "DELETE"],
            "host": ["GET", "DELETE"],
            "moderator": ["GET", "DELETE"],
        },
        "readable": {"status": "published"},
        "readable_with": "video",
        "fields": {
            "video": {"write": ["create"]},
            "parent": {"write": ["create"]},
            "mentions": {"write": ["server"]},
            # What others answered stays readable: the text is kept, under an id that leads to nobody.
            "text": {"pii": False},
        },
        "queries": [
            {"filter": ["video", "parent"], "sort": "-_id"},
            {"filter": ["video", "parent"], "sort": "-counters.likes"},
            {"filter": ["parent"], "sort": "_id"},
            {"filter": ["video", "status"], "sort": "-_id", "view": "hosted"},
            {"filter": ["video", "status"], "sort": "-_id", "view": "all"},
            {"filter": ["status"], "sort": "-_id", "view": "all"},
            {"filter": ["author"], "sort": "-_id", "view": "owned"},
        ],
        "embeds": {
            "author": ["username", "display_name", "avatar"],
            "reply_to": ["username", "display_name", "avatar"],
        },
        "counts": {
            "video": {"counter": "counters.comments", "when": SHOWN},
            "parent": {"counter": "counters.replies", "when": {"status": "published"}},
        },
        "on_parent_delete": {"video": "cascade", "parent": "cascade", "author": "keep", "reply_to": "keep"},
        "mounts": {
            "video": {"url": "videos/{video}/comments", "filter": {"parent": None}},
            "parent": "comments/{parent}/replies",
        },
        "states": {
            "status": {
                "start": "published",
                "moves": {
                    "held": {"published": ["host", "moderator"], "rejected": ["host", "moderator"]},
                    # Where comments are approved first, so is what their authors change later.
                    "published": {"rejected": ["host", "moderator"], "held": ["server"]},
                    "rejected": {"published": ["host", "moderator"]},
                },
            }
        },
        "actions": {
            "like": {"method": "PUT", "title": "Like or dislike it", **RATE},
            "unlike": {"method": "DELETE", "title": "Take your rating back", **RATE},
            "pin": {
                "method": "POST",
                "title": "Pin it above all others",
                "who": ["host"],
                "when": {**SHOWN, "parent": None},
            },
            "unpin": {
                "method": "DELETE",
                "title": "Pin it no longer",
                "who": ["host"],
                "when": {"parent": None},
                "path": "pin",
            },
            "heart": {"method": "POST", "title": "Give it your heart", "who": ["host"], "when": SHOWN},
            "unheart": {
                "method": "DELETE",
                "title": "Take your heart back",
                "who": ["host"],
                "path": "heart",
            },
            "approve": {
                "method": "POST",
                "title": "Let it appear",
                "who": ["host", "moderator"],
                "when": {"status": ["held", "rejected"]},
            },
            "reject": {
                "method": "POST",
                "title": "Do not let it appear",
                "who": ["host", "moderator"],
                "when": {"status": ["held", "published"]},
            },
        },
        "cache": 15,
        "events": ["created", "published", "deleted"],
    },
}
