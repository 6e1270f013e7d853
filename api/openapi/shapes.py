"""What routes answer, for those whose own spec does not say: Cerberus schemas by name, and who answers which."""

from typing import Any

TEXT = {"type": "string", "required": True}
URL = {"type": "string", "nullable": True}
COUNT = {"type": "integer", "required": True}
LINKS: dict[str, Any] = {"type": "dict", "meta": {"links": True}}
COUNTS: dict[str, Any] = {"type": "dict", "required": True, "valuesrules": {"type": "integer"}}
SHAPES: dict[str, dict[str, Any]] = {
    "Tokens": {
        "access_token": TEXT, "refresh_token": TEXT, "token_type": {**TEXT, "allowed": ["Bearer"]},
        "expires_in": {"type": "integer", "required": True},
    },
    "Accepted": {"status": {**TEXT, "allowed": ["accepted"]}},
    "Alive": {"status": {**TEXT, "allowed": ["ok"]}},
    "Readiness": {
        "status": {**TEXT, "allowed": ["ok", "unavailable"]},
        "parts": {"type": "dict", "required": True, "valuesrules": {"type": "string"}},
    },
    "EmailVerified": {"email_verified": {"type": "boolean", "required": True}},
    "Playback": {
        "hls": URL, "mp4": URL, "thumbnail": URL, "storyboard": URL,
        "duration": {"type": "number", "required": True}, "expires_at": {"type": "datetime", "required": True},
        "renditions": {"type": "list", "required": True, "schema": {"type": "dict", "schema": {
            "name": TEXT, "width": COUNT, "height": COUNT, "bytes": COUNT, "url": TEXT,
        }}},
        "captions": {"type": "list", "required": True, "schema": {"type": "dict", "schema": {
            "language": TEXT, "label": {"type": "string", "nullable": True}, "url": TEXT,
        }}},
        "_links": {**LINKS, "required": True},
    },
    "Elsewhere": {"url": TEXT},
    "UploadAccepted": {
        "status": TEXT, "job": {"type": "objectid", "required": True}, "_links": {**LINKS, "required": True},
    },
    "JobAccepted": {
        "job": {"type": "objectid", "required": True}, "state": TEXT, "_links": {**LINKS, "required": True},
    },
    "Home": {"name": TEXT, "_links": {**LINKS, "required": True}},
    "ApiKeyMade": {
        "_id": {"type": "objectid", "required": True}, "key": TEXT, "name": TEXT, "user": {"type": "objectid"},
        "scopes": {"type": "list", "schema": {"type": "string"}},
        "expires_at": {"type": "datetime", "nullable": True},
        "last_used_at": {"type": "datetime", "nullable": True}, "_links": {**LINKS, "required": True},
    },
    "TotpPrepared": {"secret": TEXT, "otpauth_uri": TEXT},
    "TotpOn": {"recovery_codes": {"type": "list", "required": True, "schema": {"type": "string"}}},
    "Rating": {
        "target_type": {**TEXT, "allowed": ["video", "comment"]}, "target": {"type": "objectid", "required": True},
        "value": {"type": "integer", "required": True, "min": -1, "max": 1}, "counters": COUNTS,
        "_links": {**LINKS, "required": True},
    },
    "Ratings": {"ratings": {**COUNTS, "valuesrules": {"type": "integer", "min": -1, "max": 1}}},
    "Subscribed": {"subscribed": {**COUNTS, "valuesrules": {"type": "string", "nullable": True}}},
    "Following": {
        "subscribed": {"type": "boolean", "required": True}, "counters": COUNTS, "_links": {**LINKS, "required": True},
    },
    "SubscriptionSet": {
        "_id": {"type": "objectid", "required": True}, "subscribed": {"type": "boolean", "required": True},
        "level": TEXT, "visibility": TEXT, "counters": COUNTS, "_links": {**LINKS, "required": True},
    },
    "ViewVerdict": {
        "counted": {"type": "boolean", "required": True}, "reason": {"type": "string", "nullable": True},
        "retry_after": {"type": "number", "nullable": True}, "rule": TEXT,
    },
    "ViewPolicy": {"rule": TEXT, "window_seconds": {"type": "number", "required": True}, "text": TEXT},
    "Positions": {"positions": {"type": "dict", "required": True, "valuesrules": {"type": "dict", "schema": {
        "position": {"type": "number"}, "completed": {"type": "boolean"},
    }}}},
    "Playlisted": {"playlists": {"type": "dict", "required": True, "valuesrules": {
        "type": "list", "schema": {"type": "objectid"},
    }}},
    "SearchPage": {
        "_items": {"type": "list", "required": True, "schema": {"type": "dict"}}, "_links": {**LINKS, "required": True},
        "_meta": {"type": "dict", "required": True},
    },
    "Suggestions": {"suggestions": {"type": "list", "required": True, "schema": {"type": "dict", "schema": {
        "type": TEXT, "text": TEXT, "_links": LINKS,
    }}}},
    "NotificationsRead": {"read": {"type": "integer", "required": True}},
    "NotificationsUnread": {"unread": {"type": "integer", "required": True}},
    "WebhookSecret": {
        "_id": {"type": "objectid", "required": True}, "secret": TEXT, "_links": {**LINKS, "required": True},
    },
    "Noted": {"status": TEXT},
    "UploadWish": {
        "mode": {**TEXT, "allowed": ["resumable", "direct"]},
        "bytes": {"type": "integer", "required": True, "min": 1},
        "filename": {"type": "string", "maxlength": 255}, "content_type": {"type": "string", "maxlength": 255},
        "sha256": {"type": "string", "regex": "[0-9a-f]{64}"},
    },
    "UploadBegun": {
        "mode": {**TEXT, "allowed": ["resumable", "direct"]}, "upload_url": TEXT, "bytes": {"type": "integer"},
        "offset": {"type": "integer"}, "fields": {"type": "dict"}, "expires_at": {"type": "datetime"},
        "_links": LINKS,
    },
}  # fmt: skip
# Operation ids of views whose names say little outside their file.
NAMES = {
    "oidc.begin": "beginOidc", "oidc.callback": "finishOidc", "twofactor.prepare": "prepareTotp",
    "twofactor.confirm": "confirmTotp", "twofactor.turn_off": "turnOffTotp", "me.download": "downloadExport",
    "recovery.reset": "resetPassword", "recovery.forgot": "forgotPassword", "tus.append": "sendUploadBytes",
    "tus.terminate": "abandonUpload", "tus.show_offset": "showUploadOffset", "tus.describe_tus": "describeTus",
    "docs.asset": "docsAsset", "docs.swagger_ui": "docsPage", "docs.reasons_page": "docsErrors",
    "docs.reading_page": "docsReading",
    "feeds.home": "feedHome", "feeds.trending": "feedTrending", "feeds.subscriptions": "feedSubscriptions",
    "moderation.block": "blockVideo", "moderation.unblock": "unblockVideo", "views.positions": "myPositions",
    "notifications.stream": "streamNotifications", "notifications.unread": "countUnread",
    "notifications.read_all": "readAllNotifications", "library.playlisted": "myPlaylisted",
    "recovery.send_again": "sendVerification", "playback.thumbnail": "redirectToThumbnail",
}  # fmt: skip
# By operation id: the name of a shape or of a resource.
ANSWERS = {
    "login": "Tokens", "refresh": "Tokens", "finishOidc": "Tokens",
    "register": "users", "showMe": "users", "changeMe": "users",
    "forgotPassword": "Accepted", "sendVerification": "Accepted", "changeEmail": "Accepted",
    "verifyEmail": "EmailVerified", "makeKey": "ApiKeyMade",
    "prepareTotp": "TotpPrepared", "confirmTotp": "TotpOn",
    "livez": "Alive", "readyz": "Readiness", "exportMe": "JobAccepted", "home": "Home",
    "uploadVideo": "UploadAccepted", "retryVideo": "UploadAccepted", "playbackVideo": "Playback",
    "uploadsVideo": "UploadBegun", "publishVideo": "videos", "unpublishVideo": "videos", "restoreVideo": "videos",
    "retryJob": "jobs", "cancelJob": "jobs",
    "pinComment": "comments", "unpinComment": "comments", "heartComment": "comments",
    "unheartComment": "comments", "approveComment": "comments", "rejectComment": "comments",
    "likeVideo": "Rating", "unlikeVideo": "Rating", "likeComment": "Rating", "unlikeComment": "Rating",
    "myRatings": "Ratings", "mySubscriptions": "Subscribed", "unsubscribeChannel": "Following",
    "subscriptionChannel": "SubscriptionSet", "viewsVideo": "ViewVerdict", "viewPolicy": "ViewPolicy",
    "myPositions": "Positions", "myPlaylisted": "Playlisted", "search": "SearchPage", "suggest": "Suggestions",
    "feedHome": "VideoList", "feedTrending": "VideoList", "feedSubscriptions": "VideoList", "relatedVideo": "VideoList",
    "showWatchLater": "playlists", "keepForLater": "playlist_items", "movePlaylistItem": "playlist_items",
    "readNotification": "notifications", "readAllNotifications": "NotificationsRead",
    "countUnread": "NotificationsUnread", "verifyCounters": "JobAccepted",
    "blockVideo": "videos", "unblockVideo": "videos",
    "acceptReport": "reports", "rejectReport": "reports", "reopenReport": "reports",
    "makeWebhook": "WebhookSecret", "rotateWebhook": "WebhookSecret", "pingWebhook": "webhook_deliveries",
    "redeliverWebhookDelivery": "webhook_deliveries", "thumbnailVideo": "UploadAccepted",
    "receiveNotification": "Noted",
}  # fmt: skip
# Bodies of operations that read theirs themselves, or hand it on: the name of a shape or of a model.
BODIES = {"changeMe": "UserUpdate", "uploadsVideo": "UploadWish"}
# Headers of the tus protocol, by operation id: name and what it says.
TUS = ("Tus-Resumable", "Always `1.0.0`.")
HEADERS = {
    "sendUploadBytes": (TUS, ("Upload-Offset", "How many bytes the server has; the body begins there.")),
    "showUploadOffset": (TUS,), "abandonUpload": (TUS,),
}  # fmt: skip
# What is no JSON, coming in and going out.
ACCEPTS = {
    "sendUploadBytes": "application/offset+octet-stream", "receiveNotification": "application/json",
    "thumbnailVideo": "image/jpeg, image/png, image/webp, application/json",
}  # fmt: skip
MEDIA = {
    "downloadExport": "application/zip", "jwks": "application/jwk-set+json", "captionFile": "text/vtt",
    "streamNotifications": "text/event-stream",
}  # fmt: skip
