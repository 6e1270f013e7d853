"""A sign-in is a guess at the password of every account that its login may mean, and is counted against each."""

import secrets
from typing import Any

from features.identity.logins import login_key
from machine.access.rate import forgive_use, limit_use

Account = dict[str, Any] | None


class Guesses:
    """What one sign-in spends. `tried`: the candidates of its login, None for one that is not there.

    By its name and by its address an account is counted apart: were it one count, then failing at a name and trying
    an address after it would tell whose it is. An account that is not there is counted like one that is.
    """

    def __init__(self, login: str, tried: list[Account]) -> None:
        self.tried = tried
        self.kind = "address" if "@" in login else "name"
        self.login = login_key(login)
        self.ticket = secrets.token_hex(8)

    def target(self, place: int) -> str:
        """Name what is guessed at: an account however its login is spelled, or nobody in its place."""
        account = self.tried[place]
        return f"{self.kind}:{account['_id']}" if account else f"{self.kind}:{place}:{self.login}"

    def count(self) -> None:
        """Count the guess before any password is looked at; refuse it where one account has had enough."""
        for target in dict.fromkeys(self.target(place) for place in range(len(self.tried))):
            limit_use("login", ticket=self.ticket, account=target)

    def forgive(self, user: dict[str, Any]) -> None:
        """Give back what was spent from here on the account that was proved, and on no other.

        To whoever owns the address the sign-in itself costs nothing: it was no guess at the one who claims it. For a
        claim it stays counted at the owner: or else each claim, which anybody can make, would be a free guess.
        """
        for place, account in enumerate(self.tried):
            if account is not None and account["_id"] == user["_id"]:
                forgive_use("login", account=self.target(place))
                break
        if self.tried[0] is not None and self.tried[0]["_id"] == user["_id"]:
            for place in range(1, len(self.tried)):
                forgive_use("login", ticket=self.ticket, account=self.target(place))
