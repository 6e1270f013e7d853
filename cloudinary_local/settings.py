"""What the local media server is told at its start."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1024 * 1024
MIN_CHUNK_BYTES = 5 * MIB
SYNC_VIDEO_BYTES = 40 * MIB
STALE_SECONDS = 3600


@dataclass(frozen=True)
class Settings:
    """One account and its limits; sizes in bytes, times in seconds."""

    host: str
    port: int
    data_dir: Path
    cloud: str
    key: str
    secret: str = field(repr=False)
    token_key: str = field(default="", repr=False)
    webhook_timeout: float = 10.0
    webhook_attempts: int = 12
    eager_delay: float = 0.0
    renders: int = 1
    render_seconds: int = 3600
    max_bytes: int = 5 * 1024 * MIB
    remote_prefixes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        key = self.token_key or default_token_key(self.secret)
        bytes.fromhex(key)
        object.__setattr__(self, "token_key", key)

    @property
    def base_url(self) -> str:
        """The address that clients on this machine reach."""
        return f"http://{self.host}:{self.port}"


def default_token_key(secret: str) -> str:
    """Derive the hex key of auth tokens: SHA-256 of `auth-token:` + the API secret."""
    return hashlib.sha256(f"auth-token:{secret}".encode()).hexdigest()
