"""What a service may use of the container that holds all services, so that none of them imports the container."""

from typing import Any, Protocol

from settings import Settings


class Connected(Protocol):
    """The settings and clients of one process, as `services.Services` provides them."""

    settings: Settings

    @property
    def mongo(self) -> Any:
        """The MongoDB client."""

    @property
    def db(self) -> Any:
        """The database."""

    @property
    def redis(self) -> Any:
        """The Redis client."""

    @property
    def cache(self) -> Any:
        """The tagged cache."""

    @property
    def jobs(self) -> Any:
        """The ledger of jobs."""

    @property
    def mail(self) -> Any:
        """The way out for mails."""

    @property
    def limiter(self) -> Any:
        """The rate limits."""
