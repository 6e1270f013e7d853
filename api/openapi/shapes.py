"""What routes answer, for those whose own spec does not say: Cerberus schemas by name, and who answers which."""

from typing import Any

TEXT = {"type": "string", "required": True}
URL = {"type": "string", "nullable": True}
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
        "hls": URL, "mp4": URL, "thumbnail": URL, "expires_at": {"type": "datetime", "required": True},
        "_links": {**LINKS, "required": True},
    },
    "UploadAccepted": {
        "status": TEXT, "job": {"type": "objectid", "required": True}, "_links": {**LINKS, "required": True},
    },
    "ExportAccepted": {
        "job": {"type": "objectid", "required": True}, "state": TEXT, "_links": {**LINKS, "required": True},
    },
    "Home": {"name": TEXT, "_links": {**LINKS, "required": True}},
    "ApiKeyMade": {
        "_id": {"type": "objectid", "required": True}, "key": TEXT, "name": TEXT, "user": {"type": "objectid"},
        "scopes": {"type": "list", "schema": {"type": "string"}},
        "expires_at": {"type": "datetime", "nullable": True},
        "last_used_at": {"type": "datetime", "nullable": True}, "_links": {**LINKS, "required": True},
    },
    "TotpPrepared": {"secret": TEXT, "uri": TEXT},
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
    "recovery.send_again": "sendVerification", "playback.thumbnail": "redirectToThumbnail",
}  # fmt: skip
# By operation id: the name of a shape or of a resource.
ANSWERS = {
    "login": "Tokens", "refresh": "Tokens", "finishOidc": "Tokens",
    "register": "users", "showMe": "users", "changeMe": "users",
    "forgotPassword": "Accepted", "sendVerification": "Accepted", "changeEmail": "Accepted",
    "verifyEmail": "EmailVerified", "makeKey": "ApiKeyMade",
    "prepareTotp": "TotpPrepared", "confirmTotp": "TotpOn",
    "livez": "Alive", "readyz": "Readiness", "exportMe": "ExportAccepted", "home": "Home",
    "uploadVideo": "UploadAccepted", "retryVideo": "UploadAccepted", "playbackVideo": "Playback",
    "uploadsVideo": "UploadBegun", "publishVideo": "videos", "unpublishVideo": "videos", "restoreVideo": "videos",
    "retryJob": "jobs", "cancelJob": "jobs",
    "pinComment": "comments", "unpinComment": "comments", "heartComment": "comments",
    "unheartComment": "comments", "approveComment": "comments", "rejectComment": "comments",
    "likeVideo": "Rating", "unlikeVideo": "Rating", "likeComment": "Rating", "unlikeComment": "Rating",
    "myRatings": "Ratings", "mySubscriptions": "Subscribed", "unsubscribeChannel": "Following",
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
    "thumbnailVideo": "multipart/form-data",
}  # fmt: skip
MEDIA = {"downloadExport": "application/zip", "jwks": "application/jwk-set+json"}
