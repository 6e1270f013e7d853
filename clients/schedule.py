"""The scheduler of beat: redbeat, that waits when Redis is away and writes its schedule anew when that lost it."""

import logging
from types import SimpleNamespace
from typing import Any

from redbeat.schedulers import RedBeatScheduler, acquire_distributed_beat_lock, get_redis
from redis.exceptions import ConnectionError, LockError, TimeoutError

log = logging.getLogger(__name__)
AWAY = (ConnectionError, TimeoutError)


class SteadyScheduler(RedBeatScheduler):
    """Redbeat ends when its lock is gone, by a Redis without its data or by a long freeze. This one goes on."""

    lock: Any

    def tick(self, *args: Any, **more: Any) -> float:
        """Send what is due; return after how many seconds to look again."""
        try:
            if self.lock is None:
                acquire_distributed_beat_lock(sender=SimpleNamespace(scheduler=self))
            # It may have been lost while another beat was at work, and this one waited for its turn.
            if self.is_incomplete():
                log.warning("beat: the schedule was lost and is written anew")
                self.setup_schedule()
            return float(super().tick(*args, **more))
        except LockError:
            log.warning("beat: the lock is gone; whoever gets it goes on")
            self.lock = None
        except AWAY as error:
            log.warning("beat: Redis is away: %s", error)
        return 1.0

    def is_incomplete(self) -> bool:
        """Tell whether Redis holds fewer entries than were declared; what is there keeps its last run."""
        conf = self.app.redbeat_conf
        return bool(get_redis(self.app).zcard(conf.schedule_key) < len(conf.schedule))

    def close(self) -> None:
        """Give the lock back, where Redis is there to take it."""
        try:
            super().close()
        except (*AWAY, LockError) as error:
            log.warning("beat: the lock could not be given back: %s", error)
