"""The outside world, one small module per outside thing; `Services` builds each client once, when first used."""

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
    from features.discovery.common_words import CommonWords
    from features.identity.passwords import Passwords
    from features.identity.tokens import Tokens
    from features.views.views import Views
    from machine.access.limiter import Limiter
    from machine.edge.cache import TaggedCache
    from machine.jobs.ledger import JobLedger
    from machine.write.idempotency import IdempotencyKeys


class Services:
    """The clients of one process. Nothing connects before its first use, so a fork before that is safe."""

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
    def jobs(self) -> "JobLedger":
        """The ledger of jobs owed, in MongoDB."""
        from machine.jobs.ledger import JobLedger

        return JobLedger(self)

    @cached_property
    def tokens(self) -> "Tokens":
        """Signs and verifies access tokens."""
        from features.identity.tokens import Tokens

        return Tokens(self)

    @cached_property
    def passwords(self) -> "Passwords":
        """Hashes and verifies passwords."""
        from features.identity.passwords import Passwords

        return Passwords(self.settings)

    @cached_property
    def cache(self) -> "TaggedCache":
        """The tagged cache that all processes share."""
        from machine.edge.cache import TaggedCache

        return TaggedCache(self)

    @cached_property
    def limiter(self) -> "Limiter":
        """Counts requests against the rate table."""
        from machine.access.limiter import Limiter

        return Limiter(self)

    @cached_property
    def access_log(self) -> "AccessLog":
        """Logs requests: every failure, and a share of the rest."""
        from clients.log import AccessLog

        return AccessLog(self.settings.access_log)

    @cached_property
    def idempotency(self) -> "IdempotencyKeys":
        """Remembers answers by Idempotency-Key."""
        from machine.write.idempotency import IdempotencyKeys

        return IdempotencyKeys(self)

    @cached_property
    def mail(self) -> "Mail":
        """Sends mail, or files it in development."""
        from clients.mail import Mail

        return Mail(self.settings)

    @cached_property
    def views(self) -> "Views":
        """Counts views in Redis until they are flushed."""
        from features.views.views import Views

        return Views(self)

    @cached_property
    def common_words(self) -> "CommonWords":
        """The words that are too common to search for."""
        from features.discovery.common_words import CommonWords

        return CommonWords(self.db)

    def close(self) -> None:
        """Close what was opened."""
        for name in ("mongo", "redis"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()
        self.__dict__.pop("db", None)
