"""What the platform leans on may be slow, silent, empty or wrong: nothing is lost, and what needs it waits."""

import tempfile
from contextlib import ExitStack
from urllib.parse import urlsplit, urlunsplit

from tests.faults.pipeline_proxy import FaultProxy
from tests.prove.fault import Fault, falls, rises, suffer
from tests.prove.proxy import TcpProxy
from tests.prove.traffic import Traffic
from tests.prove.world import World

QUICK = ("A Redis that swallows everything is done without", "A Cloudinary that lies is not believed")
JSON = [("Content-Type", "application/json")]


def run(quick):
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ways = Ways(stack)
        world = stack.enter_context(World(folder, between=ways.lead_through))
        traffic = stack.enter_context(Traffic(world))
        chosen = [fault for fault in faults(world, ways) if not quick or fault.promise in QUICK]
        return [suffer(world, traffic, fault) for fault in chosen]


class Ways:
    """The proxies: TCP before Valkey; HTTP, then TCP, before the local Cloudinary."""

    def __init__(self, stack):
        self.stack = stack
        self.lies = stack.enter_context(FaultProxy())

    def lead_through(self, env):
        """Put the proxies into the variables of our processes."""
        self.redis, env["REDIS_URL"] = self.before(env["REDIS_URL"])
        self.media, self.lies.target = self.before(env["MEDIA_API_URL"])
        env["MEDIA_API_URL"] = self.lies.url

    def before(self, url):
        """Return a proxy before what a URL leads to, and the URL through it."""
        parts = urlsplit(url)
        proxy = self.stack.enter_context(TcpProxy(parts.port))
        return proxy, urlunsplit(parts._replace(netloc=f"127.0.0.1:{proxy.port}"))

    def lie(self):
        """Break, drop, lose, repeat and garble calls, some of each."""
        for deed in ((500, []), "drop", "lose", "twice", (200, JSON), (420, [("Retry-After", "1")]), "lose"):
            self.lies.add("/v1_1/", 3, deed)


def faults(world, ways):
    """List the harms."""
    waiting = rises("marquee_job_attempts_total", outcome="waiting")
    redis_gone = {"log": "views_paused|not announced", "metric": falls("marquee_part_up", part="redis")}
    return [
        Fault("A Redis that swallows everything is done without", "Redis blackholed for 6 s",
              ways.redis.blackhole, ways.redis.heal, hold=6.0, **redis_gone),
        Fault("A Redis that is down is done without", "Redis refuses connections for 6 s", ways.redis.down,
              ways.redis.heal, hold=6.0, **redis_gone),
        Fault("A Redis that breaks its connections is done without", "Redis resets connections for 6 s",
              ways.redis.reset, ways.redis.heal, hold=6.0, **redis_gone),
        Fault("A slow Redis slows nothing down for long", "0.2 s more each way to Redis, for 6 s",
              lambda: ways.redis.delay(0.2), ways.redis.heal, hold=6.0, log="views_paused|not announced",
              metric=rises("marquee_breaker_opened_total")),
        Fault("An emptied Redis is as good as the old one", "FLUSHALL", lambda: world.services.redis.flushall(),
              lambda: None, hold=2.0, log="beat: Starting|Scheduler: Sending", metric=lambda world, before: True,
              views=False),
        Fault("A Cloudinary that is down only delays", "it refuses connections for 6 s", ways.media.down,
              ways.media.heal, hold=6.0, log="process.* waiting", metric=waiting),
        Fault("A slow Cloudinary only delays", "0.5 s more for each 64 KiB, for 8 s", lambda: ways.media.delay(0.5),
              ways.media.heal, hold=8.0, log="process.* succeeded", metric=rises("marquee_job_attempt_seconds_count",
              type="process")),
        Fault("A Cloudinary that lies is not believed",
              "21 calls answered with errors, nonsense, twice or not at all", ways.lie, ways.lies.clear, hold=8.0,
              log="waiting|failed, attempt", metric=lambda world, before: waiting(world, before) or
              rises("marquee_job_attempts_total", outcome="retried")(world, before)),
    ]  # fmt: skip
