"""Likes: one rating, 1 or -1, per user and target. Set and withdrawn at the target's `like` link."""

from schemas._fields import choice, keys, ref, whole

resource = {
    "schema": {
        "user": ref("users", readonly=True),
        "target_type": choice("video", "comment", readonly=True),
        "target": {"type": "objectid", "readonly": True},
        "value": whole(min=-1, max=1, readonly=True),
    },
    "resource_methods": ["GET"],
    "item_methods": ["GET", "DELETE"],
    "mongo_indexes": {"by_day": keys("_created"), "by_target": keys("target", "target_type", "value", "_id")},
    "policy": {
        "owner": "user",
        "references": {"target": {"by": "target_type", "of": {"video": "videos", "comment": "comments"}}},
        "queries": [
            {"filter": [], "sort": "-_id"},
            {"filter": ["target_type", "value"], "sort": "-_id", "index": "by_user_value"},
        ],
        "counts": {
            "target": [
                {"counter": "counters.likes", "when": {"value": 1}},
                {"counter": "counters.dislikes", "when": {"value": -1}},
            ]
        },
        "unique": [{"fields": ["user", "target_type", "target"], "reason": "not_unique"}],
        "on_parent_delete": {"target": "cascade", "user": "cascade"},
    },
}
