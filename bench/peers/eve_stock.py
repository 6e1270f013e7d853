"""The peer: Eve as its quick start has it, on the same collections; for reads only."""

import os
from typing import Any
from urllib.parse import urlsplit

from eve import Eve

TEXT, WHOLE, MOMENT = {"type": "string"}, {"type": "integer"}, {"type": "datetime"}


def ref(resource: str, embeddable: bool = False) -> dict[str, Any]:
    """Describe a reference."""
    relation = {"resource": resource, "field": "_id", "embeddable": embeddable}
    return {"type": "objectid", "data_relation": relation}


VIDEO = {
    "channel": ref("channels", True), "owner": ref("users"), "title": TEXT, "description": TEXT,
    "tags": {"type": "list"}, "category": TEXT, "language": TEXT, "visibility": TEXT, "published_at": MOMENT,
    "status": TEXT, "duration": {"type": "number"}, "width": WHOLE, "height": WHOLE, "thumbnail": TEXT,
    "thumbnails": {"type": "list"}, "renditions": {"type": "list"}, "chapters": {"type": "list"},
    "comment_policy": TEXT, "pinned_comment": {"type": "objectid"}, "counters": {"type": "dict"},
}  # fmt: skip
COMMENT = {
    "video": ref("videos"), "author": ref("users"), "parent": {"type": "objectid"}, "reply_to": {"type": "objectid"},
    "text": TEXT, "mentions": {"type": "list"}, "status": TEXT, "edited_at": MOMENT,
    "pinned": {"type": "boolean"}, "hearted": {"type": "boolean"}, "placeholder": {"type": "boolean"},
    "counters": {"type": "dict"},
}  # fmt: skip
LISTED = {"visibility": "public", "status": "READY", "deleted_at": None}
uri = os.environ.get("MONGO_URI", "mongodb://127.0.0.1/marquee")
app = Eve(
    settings={
        "MONGO_URI": uri,
        "MONGO_DBNAME": urlsplit(uri).path.strip("/"),
        "URL_PREFIX": "api/v1",
        "XML": False,
        "DOMAIN": {
            "users": {"schema": {"username": TEXT}},
            "channels": {"schema": {"handle": TEXT, "name": TEXT, "avatar": TEXT}},
            "videos": {
                "schema": VIDEO,
                "datasource": {"filter": LISTED, "default_sort": [("published_at", -1), ("_id", -1)]},
            },
            "comments": {
                "schema": COMMENT,
                "url": 'videos/<regex("[a-f0-9]{24}"):video>/comments',
                "datasource": {
                    "filter": {"parent": None, "status": "published"},
                    "default_sort": [("_id", -1)],
                },
            },
        },
    }
)
