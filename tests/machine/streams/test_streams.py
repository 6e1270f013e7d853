"""Places for streams: whoever comes gets one, and who holds most makes room. Each case of a grabber against a guest."""

import itertools
import random
import time

import pytest
from bson import ObjectId

from machine.access.claims import Grant
from machine.access.limiter import network_of
from machine.streams.sse import MOST_EACH, Places
from tests.audience import watched
from tests.conftest import sign_up

MOST = 24


class Taker:
    def __init__(self, account, address):
        self.account, self.network = account, network_of(address)


# How one who wants every place may come: (account, address) without end.
GRABBERS = {
    "one_account": lambda n: ("mallory", "203.0.113.9"),
    "one_account_everywhere": lambda n: ("mallory", f"198.51.{n // 250}.{n % 250}"),
    "many_accounts": lambda n: (f"mallory{n}", "203.0.113.9"),
    "eight_accounts": lambda n: (f"mallory{n % 8}", "203.0.113.9"),
    "many_accounts_of_one_64": lambda n: (f"mallory{n}", f"2001:db8:0:1::{n:x}"),
    "many_accounts_of_many_interfaces": lambda n: (f"mallory{n}", f"2001:db8:0:1:{n:x}::1"),
}


@pytest.mark.parametrize("grabber", GRABBERS)
@pytest.mark.parametrize("guests", [1, 5, 12])
def test_who_grabs_takes_no_place_of_a_guest(grabber, guests):
    places = Places(MOST)
    invited = [Taker(f"guest{number}", f"192.0.2.{number}") for number in range(guests)]
    for number in range(10 * MOST):
        if number < guests:
            assert invited[number] not in places.take(invited[number])
        newcomer = Taker(*GRABBERS[grabber](number))
        lost = places.take(newcomer)
        assert newcomer in places.taken and len(places.taken) <= MOST
        assert all(one not in invited for one in lost)
    late = Taker("late", "192.0.2.200")
    places.take(late)
    assert late in places.taken and all(one in places.taken for one in invited)


@pytest.mark.parametrize("seed", range(20))
def test_who_makes_room_is_the_oldest_of_whoever_holds_most(seed):
    chance, places = random.Random(seed), Places(MOST)
    for _ in range(300):
        one = Taker(chance.choice("abcdefghijklmnop"), f"192.0.2.{chance.randrange(6)}")
        before = list(places.taken)
        lost = places.take(one)
        assert len(lost) <= 1 and len(places.taken) <= MOST and list(places.taken)[-1] is one
        if lost and sum(other.account == one.account for other in before) < MOST_EACH:
            every = [*before, one]
            held = [max(sum(same(x, y) for y in every) for same in (of_account, of_network)) for x in before]
            assert held[before.index(lost[0])] == max(held)
        if lost:
            peers = [x for x in before if of_account(x, lost[0]) and of_network(x, lost[0])]
            assert peers[0] is lost[0], "a younger one went before its elder"
        if chance.random() < 0.2:
            places.give_back(chance.choice(list(places.taken)))


def of_account(one, other):
    return one.account == other.account


def of_network(one, other):
    return one.network == other.network


def test_giving_back_twice_frees_one_place():
    places, one = Places(1), Taker("a", "192.0.2.1")
    places.take(one)
    places.give_back(one)
    places.give_back(one)
    assert places.take(Taker("b", "192.0.2.1")) == [] and len(places.taken) == 1


# Over the application


@pytest.fixture
def few(app):
    """An application whose process has as many places as a test can fill."""
    before, app.streams.places.most = app.streams.places.most, 6
    yield app.streams.places
    app.streams.places.most = before


def open_stream(client, address):
    answer = client.http.open(
        "/api/v1/me/stream",
        headers={"Authorization": f"Bearer {client.token}"},
        environ_base={"REMOTE_ADDR": address},
        buffered=False,
    )
    assert answer.status_code == 200, answer.data
    return answer, iter(answer.response)


def test_one_more_account_gets_a_place_and_the_oldest_is_sent_away_with_a_hint(app, few, name):
    grabbers = [sign_up(app, f"{name}{number}") for number in range(2)]
    taken = [open_stream(one, "203.0.113.9") for one in grabbers for _ in range(MOST_EACH)]
    guest, events = open_stream(sign_up(app, name), "192.0.2.1")
    assert next(events).startswith(b"retry: ")
    last = list(taken[0][1])[-1]
    assert b'event: end\ndata: {"reason":"too_many"}' in last and last.startswith(b"retry: ")
    assert not last.startswith(b"id:"), "the position stays"
    for answer, _ in [*taken, (guest, None)]:
        answer.close()
    assert not few.taken


def test_one_thread_feeds_all_and_ends_when_there_are_none(app, few, name, monkeypatch):
    monkeypatch.setattr("machine.streams.streams.IDLE_SECONDS", 0.1)
    person = sign_up(app, name)
    opened = [open_stream(person, "192.0.2.1") for _ in range(3)]
    thread = app.streams.thread
    assert thread.is_alive() and len({id(app.streams.thread) for _ in opened}) == 1
    for answer, _ in opened:
        answer.close()
    deadline = time.monotonic() + 10
    while thread.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    answer, events = open_stream(person, "192.0.2.1")
    assert next(events) and app.streams.thread is not thread
    answer.close()


def test_standing_of_many_is_one_look_a_second(app, few, name):
    """However many streams: one round trip to Redis a second, and none to MongoDB while the copies last."""
    people = [sign_up(app, f"{name}{number}") for number in range(6)]
    opened = [open_stream(one, f"192.0.2.{number}") for number, one in enumerate(people)]
    wait_for_looks(app, 2)
    with watched(app) as commands:
        began = time.monotonic()
        wait_for_looks(app, 3)
        assert time.monotonic() - began > 2.5
    assert not [what for _, what in commands.reads if what in ("sessions", "users")]
    for answer, _ in opened:
        answer.close()


def wait_for_looks(app, count):
    """Return after so many looks (MGET) at the copies."""
    start, deadline = looks(app), time.monotonic() + 20
    while looks(app) < start + count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def looks(app):
    return app.services.redis.info("commandstats").get("cmdstat_mget", {"calls": 0})["calls"]


def test_standing_of_many_is_that_of_each(app, name):
    """`check_many` says what `check` says, for good and ended, with copies and without."""
    liveness = app.services.tokens.liveness
    users = [ObjectId(sign_up(app, f"{name}{number}").user["_id"]) for number in range(3)]
    # As another process finds them between the suspension and the end of what it ends.
    app.services.db["users"].update_one({"_id": users[1]}, {"$set": {"status": "suspended"}})
    grants = [
        Grant("sessions", one["_id"], one["user"])
        for one in app.services.db["sessions"].find({"user": {"$in": users}})
    ]
    grants += [Grant("sessions", ObjectId(), users[0]), Grant("api_keys", ObjectId(), users[2]),
               Grant("sessions", grants[0].id, ObjectId())]  # fmt: skip
    for _, flush in itertools.product(range(2), (True, False)):
        if flush:
            app.services.redis.flushdb()
        each = {one: state for one in grants if (state := liveness.check(*one)) is not None}
        if flush:
            app.services.redis.flushdb()
        assert liveness.check_many(grants) == each and len(each) == 3
