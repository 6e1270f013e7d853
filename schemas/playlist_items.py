"""Playlist items: a video's place in a playlist. Its `position` is a word that sorts between its neighbours."""

from schemas._fields import action, keys, prose, ref, text

resource = {
    "schema": {
        "playlist": ref("playlists", required=True),
        "owner": ref("users", readonly=True),
        "video": ref("videos", required=True),
        "position": text(max=5000, readonly=True),
        "note": prose(max=500),
    },
    "item_methods": ["GET", "PATCH", "DELETE"],
    "mongo_indexes": {"by_video": keys("video"), "by_owner_video": keys("owner", "video")},
    "policy": {
        "owner": "playlist.owner",
        "readable": {},
        "readable_with": "playlist",
        "roles": {"moderator": ["GET", "DELETE"]},
        "fields": {"playlist": {"write": ["create"]}, "video": {"write": ["create"]}},
        "queries": [{"filter": ["playlist"], "sort": "position", "index": "in_order"}],
        "embeds": {"video": ["title", "thumbnail", "duration", "channel", "counters", "published_at"]},
        "counts": {"playlist": "counters.items"},
        "mounts": {"playlist": "playlists/{playlist}/items"},
        "unique": [{"fields": ["playlist", "video"], "reason": "not_unique"}],
        "on_parent_delete": {"playlist": "cascade", "video": "cascade", "owner": "cascade"},
        "actions": {"move": action("POST", "Move it within its playlist", "owner")},
    },
}
