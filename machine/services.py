"""What the machine works with: the clients, and what is built on them for every resource alike."""

from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING

from clients import Clients

if TYPE_CHECKING:
    from machine.access.claims import Claims, Grant, UserState
    from machine.access.limiter import Limiter
    from machine.edge.cache import TaggedCache
    from machine.jobs.ledger import JobLedger
    from machine.write.idempotency import IdempotencyKeys


class Services(Clients):
    """The clients and services of one process, each built when it is first used."""

    # The next three are answered by the feature that signs people in.

    def verify(self, token: str, address: str) -> "Claims":
        """Return who stands behind a token or key now; raise BadToken, or TooManyFalse of that address."""
        raise NotImplementedError

    def count_false(self, credential: str, address: str) -> None:
        """Count a credential, named by its hash, that is none; raise TooManyFalse of that address."""
        raise NotImplementedError

    def good_grants(self, grants: "Collection[Grant]") -> "dict[Grant, UserState]":
        """Return those sessions and keys that are good now, each with what its user may do."""
        raise NotImplementedError

    @cached_property
    def jobs(self) -> "JobLedger":
        """The ledger of jobs, in MongoDB."""
        from machine.jobs.ledger import JobLedger

        return JobLedger(self)

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
    def idempotency(self) -> "IdempotencyKeys":
        """Remembers answers by Idempotency-Key."""
        from machine.write.idempotency import IdempotencyKeys

        return IdempotencyKeys(self)
