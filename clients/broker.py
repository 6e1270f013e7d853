"""The Celery application: it carries a job's id. MongoDB owns the job, so a lost message is harmless."""

from typing import Any

from celery import Celery
from kombu.transport import redis
from redis.exceptions import ConnectionError

from settings import Settings

RUN_JOB = "marquee.run_job"
VISIBILITY_SECONDS = 3600
# A message outlives its task: no second worker is offered a job that is still running.
HARD_LIMIT_SECONDS = VISIBILITY_SECONDS // 2 - 60
SOFT_LIMIT_SECONDS = HARD_LIMIT_SECONDS - 60


class SteadyChannel(redis.Channel):
    """A channel that does not put messages back when it closes.

    kombu does that with a connection which is gone already when the broker died, and the worker dies of it. The
    sweep sends again what was lost.
    """

    do_restore = False

    def _get_pool(self, asynchronous: bool = False) -> Any:
        """Refuse an acknowledgement that comes after the end with an error that Celery lives through."""
        if self.connection is None:
            raise ConnectionError("the channel is closed")
        return super()._get_pool(asynchronous)


class SteadyTransport(redis.Transport):
    """Redis with that channel."""

    Channel = SteadyChannel


def connect(settings: Settings, patience: float | None = None) -> Celery:
    """Build the application; it connects with the first message. `patience` bounds each wait, in seconds."""
    waits: dict[str, float] = {"socket_connect_timeout": patience or 2.0}
    if patience:
        waits |= {"socket_timeout": patience, "max_retries": 1, "interval_start": 0, "interval_max": 0}
    app = Celery("marquee", broker=settings.redis_url, set_as_current=False)
    app.conf.update(
        broker_transport="clients.broker:SteadyTransport",
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        # Without it, a job that kills its process is delivered again for ever.
        task_retry_on_worker_lost=True,
        task_default_queue="jobs",
        task_time_limit=HARD_LIMIT_SECONDS,
        task_soft_time_limit=SOFT_LIMIT_SECONDS,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_soft_shutdown_timeout=20.0,
        worker_enable_soft_shutdown_on_idle=False,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_SECONDS,
            # kombu looks for lost messages only every 100 s otherwise.
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            **waits,
            "socket_keepalive": True,
        },
        timezone="UTC",
        enable_utc=True,
    )
    return app
