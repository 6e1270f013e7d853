"""Comments: threads below a video and one level of replies; a reply names whom it answers."""

from schemas._fields import PERSON, action, choice, counters, flag, keys, listing, moment, prose, ref

SHOWN = {"status": "published", "placeholder": {"$ne": True}}
RATE = {"who": ["user"], "when": SHOWN, "path": "like"}

resource = {
    "schema": {
        "video": ref("videos"),
        "author": ref("users", readonly=True),
        "parent": ref("comments"),
        "reply_to": ref("users", readonly=True, nullable=True),
        "text": prose(min=1, max=5000, required=True),
        "mentions": listing(ref("users"), max=20, readonly=True),
        "status": choice("published", "held", "rejected", readonly=True),
        "edited_at": moment(readonly=True),
        "pinned": flag(readonly=True, meta={"start": False}),
        "hearted": flag(readonly=True, meta={"start": False}),
        "placeholder": flag(readonly=True, meta={"start": False}),
        "counters": counters("likes", "dislikes", "replies"),
    },
    "item_methods": ["GET", "PATCH", "DELETE"],
    "mongo_indexes": {"by_day": keys("_created")},
    "policy": {
        "owner": "author",
        "roles": {
            "host": ["GET", "DELETE"],
            "moderator": ["GET", "DELETE"],
        },
        "readable": {"status": "published"},
        "readable_with": "video",
        "fields": {
            "video": {"write": ["create"]},
            "parent": {"write": ["create"]},
            # What others answered stays readable: the text is kept, under an id that leads to nobody.
            "text": {"pii": False},
        },
        "queries": [
            {"filter": ["video", "parent"], "sort": "-_id", "index": "by_video"},
            {"filter": ["video", "parent"], "sort": "-counters.likes", "index": "by_top"},
            {"filter": ["parent"], "sort": "_id", "index": "by_parent"},
            {"filter": ["video", "status"], "sort": "-_id", "view": "hosted", "index": "held"},
            {"filter": ["video", "status"], "sort": "-_id", "view": "all"},
            {"filter": ["status"], "sort": "-_id", "view": "all"},
            {"filter": ["author"], "sort": "-_id", "view": "owned"},
        ],
        "embeds": {"author": PERSON, "reply_to": PERSON},
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
            "like": action("PUT", "Like or dislike it", "user", when=SHOWN),
            "unlike": action("DELETE", "Take your rating of it back", "user", when=SHOWN, path="like"),
            "pin": action("POST", "Pin it above all others", "host", when={**SHOWN, "parent": None}),
            "unpin": action("DELETE", "Unpin it", "host", when={"parent": None}, path="pin"),
            "heart": action("POST", "Give it your heart", "host", when=SHOWN),
            "unheart": action("DELETE", "Take your heart off it", "host", path="heart"),
            "approve": action(
                "POST", "Let it appear", "host", "moderator", when={"status": ["held", "rejected"]}
            ),
            "reject": action(
                "POST", "Do not let it appear", "host", "moderator", when={"status": ["held", "published"]}
            ),
        },
        "cache": 15,
        "events": ["created", "updated", "published", "rejected", "deleted"],
        # In this order: nobody is told of one comment twice.
        "notices": {
            "reply": {"to": "reply_to", "by": "parent", "when": SHOWN},
            "mention": {"to": "mentions", "by": "_id", "when": SHOWN},
            "comment": {"to": "host", "by": "video", "when": SHOWN},
        },
    },
}
