"""Who makes a request: resolved once, read by every check."""

from dataclasses import dataclass

from bson import ObjectId


@dataclass(frozen=True)
class Caller:
    """An identified caller. `scopes` None means everything the role may do; an API key narrows it."""

    id: ObjectId | None = None
    role: str = "anonymous"
    session: ObjectId | None = None
    scopes: frozenset[str] | None = None
    username: str = ""
    key: ObjectId | None = None
    # When what was sent with the request ends by itself, in seconds since 1970.
    until: float = float("inf")

    @property
    def signed_in(self) -> bool:
        """Tell whether somebody is behind the request."""
        return self.id is not None


ANONYMOUS = Caller()
