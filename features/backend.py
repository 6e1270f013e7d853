"""What a process of the platform works with: the machine's services, and what the features keep per process."""

from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING

from machine.services import Services
from machine.write.store import Store

if TYPE_CHECKING:
    from features.discovery.common_words import CommonWords
    from features.identity.passwords import Passwords
    from features.identity.tokens import Tokens
    from features.views.views import Views
    from machine.access.claims import Claims, Grant, UserState


class Backend(Services):
    """All services of one process, each built when it is first used."""

    def verify(self, token: str, address: str) -> "Claims":
        """Return who stands behind an access token or API key now; raise BadToken, or TooManyFalse."""
        return self.tokens.verify(token, address)

    def count_false(self, credential: str, address: str) -> None:
        """Count a credential that was never valid against the address it came from; raise TooManyFalse."""
        self.tokens.count_false(credential, address)

    def good_grants(self, grants: "Collection[Grant]") -> "dict[Grant, UserState]":
        """Return those sessions and keys that are good now, each with what its user may do."""
        return self.tokens.liveness.check_many(grants)

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
    def views(self) -> "Views":
        """Counts views in Redis until they are flushed."""
        from features.views.views import Views

        return Views(self)

    @cached_property
    def common_words(self) -> "CommonWords":
        """The words that are too common to search for."""
        from features.discovery.common_words import CommonWords

        return CommonWords(self.db)


def backend_of(store: Store) -> Backend:
    """Return the services behind a store: those of the features too, in every process of the platform."""
    if not isinstance(store.services, Backend):
        raise TypeError("This store was made without the services of the features.")
    return store.services
