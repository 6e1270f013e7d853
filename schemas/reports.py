"""Reports: what users think breaks the rules. People decide; nothing is ever hidden by a count."""

from schemas._fields import action, choice, each, moment, prose, ref, unique

resource = {
    "schema": {
        "reporter": ref("users", readonly=True, nullable=True),
        "target_type": choice("video", "comment", "channel", "user", required=True),
        "target": {"type": "objectid", "required": True},
        "reason": choice(
            "spam", "violence", "hate", "sexual", "harassment", "copyright", "privacy", "other", required=True
        ),
        "details": prose(max=2000),
        "state": choice("open", "accepted", "rejected", readonly=True),
        "note": prose(max=2000, readonly=True, nullable=True),
        "decided_by": ref("users", readonly=True, nullable=True),
        "decided_at": moment(readonly=True),
    },
    "item_methods": ["GET", "DELETE"],
    "mongo_indexes": {
        # Reporters who left are nobody: two of them may have reported the same.
        "once": unique("reporter", "target_type", "target", where={"reporter": {"$type": "objectId"}}),
    },
    "policy": {
        "owner": "reporter",
        "roles": {"moderator": ["GET"]},
        "references": {
            "target": {
                "by": "target_type",
                "of": {"video": "videos", "comment": "comments", "channel": "channels", "user": "users"},
            }
        },
        "fields": {
            **each("target_type", "target", "reason", write=["create"]),
            "details": {"write": ["create"], "pii": True},
            **each("note", "decided_by", read=["moderator"]),
        },
        "queries": [
            {"filter": [], "sort": "-_id"},
            {"filter": ["state"], "sort": "_id", "view": "all"},
            {"filter": ["target", "target_type"], "sort": "-_id", "view": "all", "index": "by_target"},
        ],
        "unique": [{"fields": ["reporter", "target_type", "target"], "reason": "already_reported"}],
        # The decision and its reason stay, for those it was about; who asked for it and in what words does not.
        "on_parent_delete": {"reporter": "anonymize", "target": "keep", "decided_by": "keep"},
        "states": {
            "state": {
                "start": "open",
                "moves": {
                    "open": {"accepted": ["moderator"], "rejected": ["moderator"]},
                    "accepted": {"open": ["moderator"]},
                    "rejected": {"open": ["moderator"]},
                },
            }
        },
        "actions": {
            "accept": action("POST", "The report is right", "moderator", when={"state": "open"}),
            "reject": action("POST", "The report is wrong", "moderator", when={"state": "open"}),
            "reopen": action(
                "POST", "Look at it again", "moderator", when={"state": ["accepted", "rejected"]}
            ),
        },
    },
}
