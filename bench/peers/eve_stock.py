"""The peer: Eve as its quick start has it, on the same collections; for reads only."""

import os
from typing import Any
from urllib.parse import urlsplit

from eve import Eve

from schemas import comments, videos

TEXT = {"type": "string"}


def ref(resource: str, embeddable: bool = False) -> dict[str, Any]:
    """Describe a reference."""
    relation = {"resource": resource, "field": "_id", "embeddable": embeddable}
    return {"type": "objectid", "data_relation": relation}


def shown(schema: dict[str, Any], **references: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that everyone is shown, by their types alone."""
    hidden = os.environ.get("HIDDEN", "").split(",")
    plain = {
        name: {"type": rules["type"]}
        for name, rules in schema.items()
        if name not in hidden and "type" in rules
    }
    return {**plain, **references}


VIDEO = shown(videos.resource["schema"], channel=ref("channels", True), owner=ref("users"))
COMMENT = shown(comments.resource["schema"], video=ref("videos"), author=ref("users"))
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
