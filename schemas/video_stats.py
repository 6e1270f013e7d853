"""Video statistics: one document per video and day, for its owner. Views come by the flush, the rest by roll-up."""

from schemas._fields import action, keys, mapping, moment, ref, unique, whole

SOME = {"$nin": [0, None]}

resource = {
    "schema": {
        "video": ref("videos", readonly=True),
        "channel": ref("channels", readonly=True),
        "owner": ref("users", readonly=True),
        "day": moment(readonly=True),
        "views": whole(readonly=True),
        "views_held": whole(readonly=True),
        # Of what was held, what a moderator has let count.
        "views_released": whole(readonly=True),
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
        "roles": {"moderator": ["GET"]},
        "fields": {"views_released": {"read": ["moderator"]}},
        "queries": [
            {"filter": [], "sort": "-views_held", "view": "all"},
            {"filter": [], "sort": "-day"},
            {"filter": ["video"], "sort": "-day"},
            {"filter": ["channel"], "sort": "-day"},
        ],
        "unique": [{"fields": ["video", "day"], "reason": "not_unique"}],
        "on_parent_delete": {"video": "cascade", "owner": "keep"},
        "actions": {
            "release": action("POST", "Let held views count", "moderator", when={"views_held": SOME}),
            "hold": action("POST", "Hold released views again", "moderator", when={"views_released": SOME}),
        },
    },
}
