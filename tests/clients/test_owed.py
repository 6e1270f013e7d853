"""What a process owes to Redis while another thread owes more, under schedules that are forced."""

import threading
from contextlib import contextmanager

import pytest
from bson import ObjectId

from clients.owed import Owed
from features.identity.liveness import ENDED
from machine.edge.cache import EVERYTHING, MOST_OWED

SECONDS = 20


@contextmanager
def slow_pipeline(redis, during):
    """Let every pipeline of this client call `during` after Redis has answered and before the sender goes on."""
    real = redis.pipeline

    def pipeline(*args, **more):
        pipe = real(*args, **more)
        execute = pipe.execute

        def then(*args, **more):
            answer = execute(*args, **more)
            during()
            return answer

        pipe.execute = then
        return pipe

    redis.pipeline = pipeline
    try:
        yield
    finally:
        redis.pipeline = real


def once(act):
    """Act in another thread the first time this is called, up to where `act` has set the event."""
    begun, done = threading.Lock(), []

    def during():
        with begun:
            if done:
                return
            done.append(1)
        act()

    return during


@pytest.mark.parametrize("most_owed", [False, True], ids=["a few tags", "more tags than are held"])
def test_bump_owed_while_another_is_sent_is_not_lost(app, monkeypatch, most_owed):
    """The second bump is owed after Redis has the first one's lot, and looks for work after that was subtracted."""
    cache, redis = app.services.cache, app.services.redis
    first_is_done, second_owes = threading.Event(), threading.Event()
    mine = threading.local()

    def listen(tags):
        if getattr(mine, "second", False):
            second_owes.set()
            assert first_is_done.wait(SECONDS)

    def bump_too():
        mine.second = True
        cache.bump({"spoons"})

    second = threading.Thread(target=bump_too)

    def during():
        seen.append(redis.get("tag:spoons"))
        second.start()
        assert second_owes.wait(SECONDS)

    seen = []
    monkeypatch.setattr(cache, "on_bump", [*cache.on_bump, listen])
    with slow_pipeline(redis, once(during)):
        cache.bump({f"forks:{n}" for n in range(MOST_OWED + 1)} | {"spoons"} if most_owed else {"spoons"})
    first_is_done.set()
    second.join(SECONDS)

    assert len(seen) == 1
    assert redis.get("tag:spoons") != seen[0], "the second bump never reached Redis"


def test_mark_owed_while_another_is_sent_is_not_lost(app):
    """With a full list of debts, what comes meanwhile pushes the oldest out: those sent, not those unsent, go."""
    liveness, redis = app.services.tokens.liveness, app.services.redis
    grant = ObjectId()
    liveness.owed.owe({f"auth:g:{n}": (ENDED, 60) for n in range(liveness.owed.most)})

    def during():
        # As `mark` of another thread does, before it pays.
        liveness.owed.owe({f"auth:g:{grant}": (ENDED, 60)})

    with slow_pipeline(redis, once(during)):
        liveness.pay()
    liveness.pay()

    assert redis.get(f"auth:g:{grant}") == ENDED


def test_debts_beyond_the_most_become_one_for_all_or_lose_the_oldest():
    all_, oldest = Owed(3, instead={EVERYTHING: None}), Owed(3)
    for number in range(5):
        all_.owe({number: None})
        oldest.owe({number: None})
    assert set(all_.due()) == {EVERYTHING, 4} and set(oldest.due()) == {2, 3, 4}


def test_debt_owed_anew_outlives_the_payment_of_the_old():
    owed = Owed(10)
    owed.owe({"a": 1, "b": 1})
    lot = owed.due()
    owed.owe({"a": 2})
    owed.paid(lot)
    assert {key: value for key, (_, value) in owed.due().items()} == {"a": 2}
