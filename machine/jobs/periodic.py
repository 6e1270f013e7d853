"""What is done at intervals rather than on request: register it with `@every`, and beat calls it."""

from collections.abc import Callable
from dataclasses import dataclass

from machine.write.store import Store
from settings import Settings

Work = Callable[[Store], object]


@dataclass(frozen=True)
class Tick:
    """Work done every so often. It must be safe to run twice at once, and to be killed at any point."""

    name: str
    setting: str
    work: Work

    def seconds(self, settings: Settings) -> float:
        """Return the interval, which is a setting."""
        interval: float = getattr(settings, self.setting)
        return interval


TICKS: dict[str, Tick] = {}


def every(setting: str) -> Callable[[Work], Work]:
    """Register work that is done each time the seconds of a setting have passed."""

    def register(work: Work) -> Work:
        TICKS[work.__name__] = Tick(work.__name__, setting, work)
        return work

    return register
