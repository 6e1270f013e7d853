"""The outside world, one small module per outside thing; `Clients` builds each once, when it is first used."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from settings import Settings

if TYPE_CHECKING:
    import redis
    from pymongo import MongoClient
    from pymongo.database import Database

    from clients.log import AccessLog
    from clients.mail import Mail
    from clients.media import MediaStore


class Clients:
    """The connections of one process. Nothing connects before its first use, so a fork before that is safe."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def mongo(self) -> "MongoClient[dict[str, Any]]":
        """The MongoDB client: majority writes, aware datetimes, bounded waits."""
        from clients.mongo import connect

        return connect(self.settings)

    @cached_property
    def db(self) -> "Database[dict[str, Any]]":
        """The database that MONGO_URI names."""
        return self.mongo[self.settings.database]

    @cached_property
    def redis(self) -> "redis.Redis":
        """The Redis client for cache, limits and revocations: short timeouts, bytes in and out."""
        from clients.redis import connect

        return connect(self.settings)

    @cached_property
    def media(self) -> "MediaStore":
        """The media store: Cloudinary."""
        from clients.media import MediaStore

        return MediaStore(self.settings)

    @cached_property
    def mail(self) -> "Mail":
        """Sends mail, or files it in development."""
        from clients.mail import Mail

        return Mail(self.settings)

    @cached_property
    def access_log(self) -> "AccessLog":
        """Logs requests: every failure, and a share of the rest."""
        from clients.log import AccessLog

        return AccessLog(self.settings.access_log)

    def close(self) -> None:
        """Close what was opened."""
        for name in ("mongo", "redis"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()
        self.__dict__.pop("db", None)
