"""Video statistics: one document per video and day, for its owner. Views come by the flush, the rest by roll-up."""

from schemas._fields import keys, mapping, moment, ref, unique, whole

resource = {
    "schema": {
        "video": ref("videos", readonly=True),
        "channel": ref("channels", readonly=True),
        "owner": ref("users", readonly=True),
        "day": moment(readonly=True),
        "views": whole(readonly=True),
        "views_held": whole(readonly=True),
        "engaged_views": whole(readonly=True),
        "watch_ms": whole(readonly=True),
        "reached": mapping({f"t{k}": whole() for k in range(10)}, readonly=True),
        "likes": whole(readonly=True),
        "dislikes": whole(readonly=True),
        "comments": whole(readonly=True),
    },
    "resource_methods": ["GET"],
    "item_methods": ["GET"],
    "mongo_indexes": {
        "one_each": unique("video", "-day"),
        "by_video": keys("video", "owner", "-day", "-_id"),
        "by_channel": keys("channel", "owner", "-day", "-_id"),
        "by_day": keys("day"),
    },
    "policy": {
        "owner": "owner",
        "queries": [
            {"filter": [], "sort": "-day"},
            {"filter": ["video"], "sort": "-day"},
            {"filter": ["channel"], "sort": "-day"},
        ],
        "unique": [{"fields": ["video", "day"], "reason": "not_unique"}],
        "on_parent_delete": {"video": "cascade", "owner": "keep"},
    },
}
