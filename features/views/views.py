"""Count views by the published rule v1: one atomic step in Redis per heartbeat, buffered until they are flushed.

The state of a view lives in Redis under a key that tells nothing about its viewer. A script decides, so that two
processes, or a storm of heartbeats, cannot count one view twice. All times are those of the Redis server.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from clients import clock
from machine.access.sealing import derive

if TYPE_CHECKING:
    from machine.connected import Connected

RULE = "v1"
ENGAGED_SECONDS = 30
BUFFER, BATCHES = "views:buffer", "views:batches"
DAY_SECONDS = 86400
# Programs that say of themselves that they are no viewer.
BOTS = (
    "bot",
    "crawl",
    "spider",
    "slurp",
    "facebookexternalhit",
    "headless",
    "monitor",
    "preview",
    "lighthouse",
)

# KEYS: state, state under yesterday's salt, buffer, views of the address today. ARGV: window ms, position ms,
# duration ms, video, now ms or "", most views of the address a day (0: any number).
# Returns {counted, ms until the window ends, engaged, watched ms, held}. A held view adds to `held` and nothing else.
BEAT = """
local now = tonumber(ARGV[5])
if not now then local t = redis.call('TIME'); now = t[1] * 1000 + math.floor(t[2] / 1000) end
local window, position, duration = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if duration > 0 and position > duration then position = duration end
if KEYS[2] ~= KEYS[1] and redis.call('EXISTS', KEYS[1]) == 0 and redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('RENAME', KEYS[2], KEYS[1])
end
local field = ARGV[4] .. ':' .. string.format('%d', math.floor(now / 3600000) * 3600) .. ':'
local s = redis.call('HMGET', KEYS[1], 'start', 'last', 'position', 'watched', 'engaged', 'tenths', 'held')
local start, last, before = tonumber(s[1]), tonumber(s[2]), tonumber(s[3])
local watched, engaged, tenths = tonumber(s[4]) or 0, tonumber(s[5]) or 0, tonumber(s[6]) or 0
local held, most_views = tonumber(s[7]) or 0, tonumber(ARGV[6])
local counted, from = 0, position
if not start or now - start >= window then
  counted, start, watched, engaged, tenths, held = 1, now, 0, 0, 0, 0
  if most_views > 0 then
    if (tonumber(redis.call('GET', KEYS[4])) or 0) >= most_views then
      counted, held = 0, 1
    else
      redis.call('INCR', KEYS[4])
      redis.call('EXPIRE', KEYS[4], 90000)
    end
  end
  redis.call('HINCRBY', KEYS[3], field .. (held == 1 and 'held' or 'views'), 1)
elseif held == 0 then
  local most = math.max(0, now - last) * 2
  local gain = math.min(math.max(0, position - before), most)
  if gain > 0 then
    watched = watched + gain
    redis.call('HINCRBY', KEYS[3], field .. 'watched_ms', gain)
    if gain == position - before then from = before end
  end
end
local enough = 30000
if duration > 0 then enough = math.min(enough, duration / 2) end
if held == 0 and engaged == 0 and watched >= enough then
  engaged = 1
  redis.call('HINCRBY', KEYS[3], field .. 'engaged', 1)
end
if held == 0 and duration > 0 then
  local allowed = 1 + math.floor(watched * 10 / duration)
  for k = 0, 9 do if bit.band(tenths, bit.lshift(1, k)) ~= 0 then allowed = allowed - 1 end end
  for k = math.min(9, math.floor(from * 10 / duration)), math.min(9, math.floor(position * 10 / duration)) do
    local mark = bit.lshift(1, k)
    if allowed > 0 and bit.band(tenths, mark) == 0 then
      tenths, allowed = bit.bor(tenths, mark), allowed - 1
      redis.call('HINCRBY', KEYS[3], field .. 't' .. k, 1)
    end
  end
end
redis.call('HSET', KEYS[1], 'start', start, 'last', now, 'position', position,
  'watched', watched, 'engaged', engaged, 'tenths', tenths, 'held', held)
redis.call('PEXPIRE', KEYS[1], window + 60000)
return {counted, start + window - now, engaged, watched, held}
"""
# KEYS: buffer, batches, the new batch. Sets the buffer aside under a name of its own; 0 when there is nothing.
SET_ASIDE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('RENAME', KEYS[1], KEYS[3])
redis.call('SADD', KEYS[2], KEYS[3])
return 1
"""


@dataclass(frozen=True)
class Verdict:
    """What became of a heartbeat. `retry_after`: seconds until the next view of this viewer can count."""

    counted: bool
    reason: str
    retry_after: int | None = None

    def body(self) -> dict[str, Any]:
        """Return the answer to the client."""
        answer = {"counted": self.counted, "reason": self.reason, "retry_after": self.retry_after}
        return {**answer, "rule": RULE}


@dataclass(frozen=True)
class Viewer:
    """Who watches, as a hash under today's salt and under yesterday's. `source`: the address, hashed likewise."""

    today: str
    yesterday: str
    source: str = ""


class Views:
    """The view counter of one process."""

    def __init__(self, services: "Connected") -> None:
        self.services = services
        self.salts: dict[str, bytes] = {}
        self.beat_script = services.redis.register_script(BEAT)
        self.aside_script = services.redis.register_script(SET_ASIDE)

    def viewer(self, user: Any, address: str, agent: str) -> Viewer:
        """Hash a viewer: the user, or the network of the address with the agent."""
        who = f"user:{user}" if user else f"net:{network_of(address)}:{agent[:300]}"
        today = clock.now().date()
        yesterday = today - timedelta(days=1)
        customer = customer_of(address)
        # Users and strangers behind one address have a number each: a crowd of made-up agents keeps nobody out.
        kind = "users" if user else "strangers"
        source = self.digest(f"from:{customer}:{kind}", today.isoformat()) if customer else ""
        return Viewer(self.digest(who, today.isoformat()), self.digest(who, yesterday.isoformat()), source)

    def digest(self, who: str, day: str) -> str:
        """Hash a viewer with the key of this installation and the salt of a day."""
        key = derive(self.services.settings.secret_key, "viewer")
        return blake2b(who.encode() + self.salt(day), key=key, digest_size=16).hexdigest()

    def salt(self, day: str) -> bytes:
        """Return the salt of a day. It is drawn at random and forgotten, so that old hashes lead to nobody."""
        if day not in self.salts:
            key = f"views:salt:{day}"
            self.services.redis.set(key, secrets.token_bytes(16), nx=True, ex=2 * DAY_SECONDS)
            drawn: Any = self.services.redis.get(key)
            self.salts = {**dict(list(self.salts.items())[-2:]), day: drawn or b""}
        return self.salts[day]

    def beat(
        self, video: Any, duration: float | None, viewer: Viewer, position: float, now_ms: int | None = None
    ) -> Verdict:
        """Take one heartbeat at `position` seconds; `now_ms` is for replaying the past, Redis' clock else."""
        keys = [f"view:{video}:{viewer.today}", f"view:{video}:{viewer.yesterday}", BUFFER]
        keys.append(f"views:from:{video}:{viewer.source}")
        settings = self.services.settings
        window = int(settings.view_window_seconds * 1000)
        facts: list[str | int] = [
            window,
            round(position * 1000),
            round((duration or 0) * 1000),
            str(video),
            now_ms or "",
            settings.view_address_daily if viewer.source else 0,
        ]
        counted, left, _, _, held = self.beat_script(keys=keys, args=facts)
        reason = "held" if held else "counted" if counted else "within_window"
        return Verdict(bool(counted), reason, max(1, -(-left // 1000)))

    def set_aside(self) -> None:
        """Put what is buffered into a batch of its own, in one step."""
        name = f"views:batch:{secrets.token_hex(12)}"
        self.aside_script(keys=[BUFFER, BATCHES, name])

    def batches(self) -> list[str]:
        """List the batches not yet done with, those of a flusher that died among them."""
        found: Any = self.services.redis.smembers(BATCHES)
        return sorted(name.decode() for name in found)

    def read(self, batch: str) -> dict[tuple[str, int], dict[str, int]]:
        """Return what a batch holds: (video, hour) to metric to amount. It never changes once set aside."""
        raw: Any = self.services.redis.hgetall(batch)
        read: dict[tuple[str, int], dict[str, int]] = {}
        for field, amount in raw.items():
            video, hour, metric = field.decode().split(":")
            read.setdefault((video, int(hour)), {})[metric] = int(amount)
        return read

    def drop(self, batch: str) -> None:
        """Forget a batch that is in MongoDB."""
        with self.services.redis.pipeline(transaction=True) as pipe:
            pipe.delete(batch)
            pipe.srem(BATCHES, batch)
            pipe.execute()


def network_of(address: str) -> str:
    """Return the /24 or /48 that an address belongs to."""
    return prefix_of(address, 24, 48)


def customer_of(address: str) -> str:
    """Return the address, or the /64 of an IPv6 one: what one customer has."""
    return prefix_of(address, 32, 64)


def prefix_of(address: str, v4: int, v6: int) -> str:
    """Return the network, of that many bits, that an address belongs to; empty for what is no address."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    return str(ip_network((found, v4 if found.version == 4 else v6), strict=False))


def is_bot(agent: str) -> bool:
    """Tell whether an agent says of itself that it is no viewer."""
    return any(word in agent.lower() for word in BOTS)
