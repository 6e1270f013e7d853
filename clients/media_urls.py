"""URLs of stored media that work without headers: each opens one derived file, or one stream, until it expires.

This is the only place that signs them. A token is never handed to a caller, so none can be put behind another path.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

import cloudinary.utils

STREAM = "m3u8"


@dataclass(frozen=True)
class MediaFile:
    """One derived file of a stored one. `eager` is a transformation, a slash and a format; `m3u8` is a stream."""

    public_id: str
    version: int
    eager: str
    resource_type: str = "video"


def sign(file: MediaFile, key: str, expires_at: int) -> str:
    """Return the URL of a file with a token that opens it until `expires_at` (Unix seconds), and nothing beside it.

    Without an access list the SDK signs the very path of the URL (`url=`, which is not in the token's text).
    """
    transformation, _, ending = file.eager.rpartition("/")
    token: dict[str, object] = {"key": key, "expiration": expires_at}
    if ending == STREAM:
        token["acl"] = stream_paths(file, transformation)
    return build(file, transformation, ending, sign_url=True, auth_token=token)


def stream_paths(file: MediaFile, transformation: str) -> list[str]:
    """Return the paths of a stream as an access list: its master playlist, its variants, their segments.

    The variants stand below the master (`<public id>.hls/`) or under transformations of the streaming profile's own,
    as the store pleases: those name sizes and bit rates, so there is a comma in them. A `*` stands for any characters,
    slashes too. None of these paths is that of the original, of an MP4 or of a picture.
    """
    master = urlsplit(build(file, transformation, STREAM)).path
    variant = urlsplit(build(file, "*,*", "")).path
    return [master, f"{master.removesuffix(f'.{STREAM}')}.hls/*", f"{variant}.{STREAM}", f"{variant}.ts"]


def build(file: MediaFile, transformation: str, ending: str, **more: object) -> str:
    """Return the URL of a derived file, without a token unless `more` asks the SDK for one."""
    url, _ = cloudinary.utils.cloudinary_url(
        file.public_id, resource_type=file.resource_type, type="authenticated", version=file.version,
        raw_transformation=transformation, format=ending or None, **more,
    )  # fmt: skip
    return str(url)
