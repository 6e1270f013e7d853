"""Rate limits: windows that move, several processes that count together, and strictness without Redis."""

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from features.backend import Backend
from machine.access.limiter import LOTS, Limiter, identify, network_of
from machine.access.rates import RATES, STRICT_SHARE, strict
from machine.access.windows import KEPT, LocalWindows
from tests.patience import patience

NOWHERE = "redis://127.0.0.1:1/0"
HERE, THERE = "192.0.2.1", "198.51.100.1"


@pytest.fixture
def limited(settings):
    return replace(settings, rate_limits=True)


@pytest.fixture
def process(limited, app):
    """Make the limiter of one more process."""
    app.services.redis.flushdb()
    opened = []

    def start(**changes):
        opened.append(Backend(replace(limited, **changes)))
        return Limiter(opened[-1])

    yield start
    [services.close() for services in opened]


def spend(limiter, times, *request, **more):
    return [limiter.hit(*request, **more).allowed for _ in range(times)]


def first_quota(rate_class, per):
    return next(rate.quota for rate in RATES[rate_class].rates if rate.per == per)


def test_an_account_is_guarded_against_many_addresses(process):
    limiter, quota = process(), first_quota("login", "account")
    tries = [limiter.hit("login", None, f"192.0.2.{n}", account="ada").allowed for n in range(quota + 1)]
    assert tries == [True] * quota + [False]


def test_an_account_is_the_same_however_its_name_is_written(process):
    limiter, quota = process(), first_quota("login", "account")
    spend(limiter, quota, "login", None, HERE, account="ada")
    assert not limiter.hit("login", None, HERE, account="ADA").allowed


def test_an_address_is_guarded_against_trying_many_accounts(process):
    limiter, quota = process(), first_quota("login", "address")
    assert all(spend(limiter, quota, "login", None, HERE))
    assert not limiter.hit("login", None, HERE).allowed
    assert limiter.hit("login", None, THERE).allowed


def test_processes_count_sign_ins_together(process):
    one, two, quota = process(), process(), first_quota("login", "account")
    spend(one, quota - 1, "login", None, HERE, account="ada")
    assert two.hit("login", None, THERE, account="ada").allowed
    assert not one.hit("login", None, HERE, account="ada").allowed


def test_the_owner_of_an_account_starts_anew_after_proving_himself(process):
    limiter, quota = process(), first_quota("login", "account")
    spend(limiter, quota, "login", None, HERE, account="ada")
    limiter.forgive("login", HERE, account="Ada")
    assert limiter.hit("login", None, HERE, account="ada").allowed


def test_without_redis_sign_ins_are_limited_more_strictly(process):
    limiter, quota = process(redis_url=NOWHERE), first_quota("login", "account") // STRICT_SHARE
    assert spend(limiter, quota + 1, "login", None, HERE, account="ada") == [True] * quota + [False]


def test_without_redis_reads_and_writes_are_still_counted(process):
    limiter, quota = process(redis_url=NOWHERE), first_quota("write", "caller")
    assert spend(limiter, quota + 1, "write", "user", HERE) == [True] * quota + [False]


def test_a_dead_redis_is_asked_only_once_in_a_while(process):
    limiter = process(redis_url=NOWHERE)
    limiter.hit("login", None, HERE)
    begun = time.monotonic()
    spend(limiter, 50, "login", None, HERE)
    assert limiter.breaker.wait_seconds and time.monotonic() - begun < patience(0.25)


def test_users_behind_one_address_do_not_share_a_quota(process):
    limiter, quota = process(), first_quota("write", "caller")
    spend(limiter, quota, "write", "one", HERE)
    assert not limiter.hit("write", "one", HERE).allowed
    assert limiter.hit("write", "two", HERE).allowed


def test_processes_share_the_count_of_writes_within_a_lot(process):
    one, two, quota = process(), process(), first_quota("write", "caller")
    spend(one, quota, "write", "user", HERE)
    allowed = sum(spend(two, quota, "write", "user", HERE))
    assert allowed <= quota // LOTS


def test_reads_reach_redis_once_in_a_lot(process, app):
    limiter, quota = process(), first_quota("read", "caller")
    limiter.hit("read", "user", HERE)
    before = app.services.redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    spend(limiter, 10 * (quota // LOTS), "read", "user", HERE)
    after = app.services.redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert after - before == 10


def test_a_verdict_tells_what_is_left_and_when_it_starts_anew(process):
    verdict = process().hit("login", None, HERE, account="ada")
    rate = next(rate for rate in RATES["login"].rates if rate.per == "account")
    assert verdict.headers() == {
        "RateLimit": f'"login";r={rate.quota - 1};t={rate.seconds}',
        "RateLimit-Policy": f'"login";q={rate.quota};w={rate.seconds}',
    }


def test_a_refusal_says_when_to_come_back(process):
    limiter, rate = process(), next(rate for rate in RATES["login"].rates if rate.per == "account")
    spend(limiter, rate.quota, "login", None, HERE, account="ada")
    refusal = limiter.hit("login", None, HERE, account="ada")
    assert 0 < int(refusal.headers()["Retry-After"]) <= rate.seconds


def test_a_burst_is_written_into_the_audit_log_once(process, app):
    app.services.db["audit_log"].delete_many({})
    limiter, quota = process(), first_quota("login", "account")
    spend(limiter, quota + 20, "login", None, HERE, account="ada")
    (entry,) = app.services.db["audit_log"].find({"action": "login_burst"})
    assert entry["address"] == HERE and entry["detail"] == {"class": "login", "per": "account"}


def test_limits_that_are_off_count_nothing(settings):
    services = Backend(replace(settings, rate_limits=False, redis_url=NOWHERE))
    assert Limiter(services).hit("login", None, HERE).headers() == {}


def test_a_whole_ipv6_network_of_one_customer_counts_as_one():
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff") != network_of("2001:db8:0:1::1")


def test_what_is_no_address_counts_as_one_stranger():
    assert network_of("<script>") == network_of("") == "unknown"


def test_an_account_name_of_any_length_makes_a_short_key():
    rate = next(rate for rate in RATES["login"].rates if rate.per == "account")
    assert len(identify(rate, None, HERE, {"account": "x" * 100_000})) < 100


def in_words(seconds):
    """Say how long a window is."""
    for length, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % length == 0:
            count = seconds // length
            return f"a {unit}".replace("a hour", "an hour") if count == 1 else f"in {count} {unit}s"
    raise ValueError(seconds)


def documented():
    """Return the rows of the table that docs/identity.md has to have."""
    whom = {"caller": "user, else address"}
    return [
        f"| `{name}` | {rate.quota:,} {in_words(rate.seconds)} | {whom.get(rate.per, rate.per)} "
        f"| {'yes' if rate.forgiven else ''} | {strict(rate).quota if declared.exact else 'the same'} |"
        for name, declared in RATES.items()
        for rate in declared.rates
    ]


def test_table_of_the_documentation_is_the_table_of_rates():
    page = Path("docs/identity.md").read_text()
    rows = [line for line in page.split("## Rate limits")[1].splitlines() if re.match(r"\| `\w+` \|", line)]
    assert rows == documented(), "\n".join(documented())


def test_windows_in_a_process_are_bounded_and_the_least_used_go_first():
    windows = LocalWindows()
    windows.hit("busy", 2, 60, "x")
    for n in range(KEPT - 1):
        windows.hit(f"{n}", 2, 60, "x")
    windows.hit("busy", 2, 60, "x")
    windows.hit("one more", 2, 60, "x")
    assert len(windows.windows) == KEPT
    assert not windows.hit("busy", 2, 60, "x").allowed and "0" not in windows.windows


def test_nothing_is_forgiven_that_nobody_named(process):
    with pytest.raises(TypeError):
        process().forgive("login", HERE)
