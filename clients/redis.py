"""The one Redis client of a process, for everything but the Celery broker."""

import redis

from settings import Settings


def connect(settings: Settings) -> redis.Redis:
    """Open the client with short timeouts: every caller must be able to do without Redis."""
    wait = settings.redis_timeout_seconds
    return redis.Redis.from_url(
        settings.redis_url, socket_timeout=wait, socket_connect_timeout=wait, health_check_interval=30
    )
