"""Asks again whether the caller may go on, for requests that last: others are checked once, when they come."""

import time
from typing import Any

from machine.access.caller import Caller
from machine.access.claims import grant_of
from machine.access.rights import CHALLENGE
from machine.http.problem import Problem

# How often: what a client can still send after its session, its key or its account has ended.
LOOK_BYTES = 8 * 1024 * 1024
LOOK_SECONDS = 2.0


class AccessEnded(Problem):
    """What the work rests on has ended. `suspended`: so has everything else of this account."""

    def __init__(self, suspended: bool) -> None:
        super().__init__(401, "access_ended", headers=CHALLENGE)
        self.suspended = suspended


class Permit:
    """The right to go on of one request's caller. A longer work outlives an access token, but not its session."""

    def __init__(self, app: Any, caller: Caller) -> None:
        self.services = app.services
        self.grant = grant_of(caller.id, caller.session, caller.key)
        self.passed = 0
        self.asked_at = time.monotonic()

    def look(self, size: int) -> None:
        """Count what has come; ask when it is much, or was long ago. Raises AccessEnded."""
        self.passed += size
        if self.passed >= LOOK_BYTES or time.monotonic() - self.asked_at >= LOOK_SECONDS:
            self.require()

    def require(self) -> None:
        """Ask now; call it right before what cannot be undone. Raises AccessEnded."""
        self.passed, self.asked_at = 0, time.monotonic()
        state = self.services.good_grants([self.grant]).get(self.grant)
        if state is None or not state.active:
            raise AccessEnded(suspended=state is not None)
