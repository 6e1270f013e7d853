"""The indexes of collections that are no resource; `python run.py db migrate` builds them."""

from typing import Any

Index = tuple[list[tuple[str, int]], dict[str, Any]]

# A used refresh token is kept for its whole life, so that its return can be recognised.
INDEXES: dict[str, dict[str, Index]] = {
    "uploads": {
        "by_state": ([("state", 1), ("alive_until", 1)], {}),
        "by_video": ([("video", 1)], {}),
        "expire": ([("forget_at", 1)], {"expireAfterSeconds": 0}),
    },
    "api_key_hashes": {"expire": ([("expires_at", 1)], {"expireAfterSeconds": 0})},
    "credentials": {"by_claim": ([("claim_key", 1), ("claimed_at", -1)], {"sparse": True})},
    "idempotency_keys": {
        "by_user": ([("user", 1)], {}),
        "expire": ([("expires_at", 1)], {"expireAfterSeconds": 0}),
    },
    "identities": {"by_user": ([("user", 1)], {})},
    # One of each for a person and a thing; what belongs to something that is hidden or comes back; what a notification
    # or a digest tells. Kept longer than notifications, so that nothing is told again that was told a while ago.
    "notice_parts": {
        "one_each": ([("subject", 1), ("user", 1), ("turn", 1)], {"unique": True}),
        "by_state": ([("above", 1), ("state", 1)], {}),
        "by_notification": ([("notification", 1)], {"sparse": True}),
        "by_user": ([("user", 1), ("at", -1)], {}),
        "expire": ([("at", 1)], {"expireAfterSeconds": 365 * 86400}),
    },
    "oidc_states": {"expire": ([("expires_at", 1)], {"expireAfterSeconds": 0})},
    "one_time_tokens": {
        "by_user": ([("user", 1), ("purpose", 1)], {}),
        "expire": ([("expires_at", 1)], {"expireAfterSeconds": 0}),
    },
    "pending_counts": {"by_end": ([("until", 1)], {})},
    "trending": {
        "by_rank": ([("window", 1), ("generation", -1), ("rank", 1)], {}),
        "expire": ([("made_at", 1)], {"expireAfterSeconds": 86400}),
    },
    "video_hours": {
        "by_hour": ([("hour", 1), ("video", 1)], {"unique": True}),
        "expire": ([("hour", 1)], {"expireAfterSeconds": 9 * 86400}),
    },
    "view_flushes": {"expire": ([("made_at", 1)], {"expireAfterSeconds": 30 * 86400})},
    "refresh_tokens": {
        "by_session": ([("session", 1)], {}),
        "expire": ([("expires_at", 1)], {"expireAfterSeconds": 0}),
    },
}
