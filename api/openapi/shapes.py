"""What routes answer, for those whose own spec does not say: Cerberus schemas by name, and who answers which."""

from typing import Any

from api.shape import LINKS, TEXT

SHAPES: dict[str, dict[str, Any]] = {
    "UploadWish": {
        "mode": {**TEXT, "allowed": ["resumable", "direct"]},
        "bytes": {"type": "integer", "required": True, "min": 1},
        "filename": {"type": "string", "maxlength": 255}, "content_type": {"type": "string", "maxlength": 255},
        "sha256": {"type": "string", "regex": "[0-9a-f]{64}"},
    },
    "UploadBegun": {
        "mode": {**TEXT, "allowed": ["resumable", "direct"]}, "upload_url": TEXT, "bytes": {"type": "integer"},
        "offset": {"type": "integer"}, "fields": {"type": "dict"}, "expires_at": {"type": "datetime"},
        "_links": {**LINKS, "required": False},
    },
}  # fmt: skip
# Operation ids of views whose names say little outside their file.
NAMES = {
    "tus.append": "sendUploadBytes", "tus.terminate": "abandonUpload", "tus.show_offset": "showUploadOffset",
}  # fmt: skip
# By operation id: the name of a shape or of a resource.
ANSWERS = {"uploadVideo": "UploadAccepted", "uploadsVideo": "UploadBegun"}
# Bodies of operations that read theirs themselves, or hand it on: the name of a shape or of a model.
BODIES = {"uploadsVideo": "UploadWish"}
# Headers of the tus protocol, by operation id: name and what it says.
TUS = ("Tus-Resumable", "Always `1.0.0`.")
HEADERS = {
    "sendUploadBytes": (TUS, ("Upload-Offset", "How many bytes the server has; the body begins there.")),
    "showUploadOffset": (TUS,), "abandonUpload": (TUS,),
}  # fmt: skip
# What is no JSON, coming in and going out.
ACCEPTS = {
    "sendUploadBytes": "application/offset+octet-stream",
}  # fmt: skip
MEDIA: dict[str, str] = {}
