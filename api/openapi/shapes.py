"""What routes answer, for those whose own spec does not say: Cerberus schemas by name, and who answers which."""

from typing import Any

TEXT = {"type": "string", "required": True}
URL = {"type": "string", "nullable": True}
LINKS: dict[str, Any] = {"type": "dict"}
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
}  # fmt: skip
# By operation id: the name of a shape or of a resource.
ANSWERS = {
    "login": "Tokens", "refresh": "Tokens", "register": "users", "showMe": "users", "changeMe": "users",
    "forgot": "Accepted", "sendAgain": "Accepted", "changeEmail": "Accepted", "verifyEmail": "EmailVerified",
    "livez": "Alive", "readyz": "Readiness", "exportMe": "ExportAccepted", "home": "Home",
    "uploadVideo": "UploadAccepted", "playbackVideo": "Playback", "retryVideo": "UploadAccepted",
    "publishVideo": "videos", "unpublishVideo": "videos", "restoreVideo": "videos",
    "retryJob": "jobs", "cancelJob": "jobs", "pinComment": "comments", "unpinComment": "comments",
    "heartComment": "comments", "unheartComment": "comments", "approveComment": "comments",
    "rejectComment": "comments",
}  # fmt: skip
# Operations that hand their body to a resource.
BODIES = {"changeMe": "UserUpdate"}
# What is no JSON.
MEDIA = {"download": "application/zip", "jwks": "application/jwk-set+json"}
