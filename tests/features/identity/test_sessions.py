"""Refresh tokens: one successor each, a lost answer given again, a stolen token punished."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from features.identity import accounts
from features.identity.sessions import (
    REFRESH_TOKENS,
    BadRefresh,
    RefreshRaced,
    RefreshReused,
    Sessions,
    clean,
    prefix_of,
)
from machine.access.sealing import digest
from tests.identity import elsewhere


@pytest.fixture
def sessions(app):
    return Sessions(app.services, app.store)


@pytest.fixture
def rekeyed(app, settings):
    """An instance with another SECRET_KEY."""
    other = elsewhere(settings, secret_key="another key, as long as it has to be")
    yield Sessions(other, app.store)
    other.close()


@pytest.fixture
def begun(app, sessions, name):
    user = ObjectId()
    app.services.db["users"].insert_one({"_id": user, "username": name, "username_key": name})
    return sessions.start(user, "a browser", "192.0.2.7")


def age(app, token, seconds):
    """Make an exchange that happened now have happened a while ago."""
    then = datetime.now(UTC) - timedelta(seconds=seconds)
    app.services.db[REFRESH_TOKENS].update_one({"_id": digest(token)}, {"$set": {"rotated_at": then}})


def lives(app, session):
    return app.services.db["sessions"].find_one({"_id": session}) is not None


def test_only_a_hash_of_the_token_is_stored(app, begun):
    stored = list(app.services.db[REFRESH_TOKENS].find({"session": begun.session}))
    assert [one["_id"] for one in stored] == [digest(begun.refresh_token)]
    assert begun.refresh_token not in str(stored)


def test_a_session_shows_device_and_network_but_no_full_address(app, begun):
    stored = app.store.get("sessions", begun.session)
    assert stored["device"] == "a browser" and stored["address"] == "192.0.2.0/24"


def test_a_token_is_exchanged_for_another_of_the_same_session(sessions, begun):
    after = sessions.rotate(begun.refresh_token)
    assert after.session == begun.session and after.refresh_token != begun.refresh_token
    assert sessions.rotate(after.refresh_token).session == begun.session


def test_thirty_parallel_exchanges_get_the_same_successor_and_the_session_lives(app, sessions, begun):
    start, outcomes, lock = threading.Barrier(30), [], threading.Lock()

    def exchange():
        start.wait()
        outcome = Sessions(app.services, app.store).rotate(begun.refresh_token)
        with lock:
            outcomes.append(outcome)

    threads = [threading.Thread(target=exchange) for _ in range(30)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(outcomes) == 30 and len({one.refresh_token for one in outcomes}) == 1
    assert lives(app, begun.session)
    assert app.services.db[REFRESH_TOKENS].count_documents({"session": begun.session}) == 2
    assert sessions.rotate(outcomes[0].refresh_token)


def test_a_client_whose_answer_was_lost_gets_the_same_successor_again(app, sessions, begun):
    after = sessions.rotate(begun.refresh_token)
    for _ in range(3):
        again = Sessions(app.services, app.store).rotate(begun.refresh_token)
        assert (again.refresh_token, again.session) == (after.refresh_token, after.session)
    assert sessions.rotate(after.refresh_token).refresh_token != after.refresh_token


def test_a_successor_is_not_stored_and_not_known_without_the_key(app, rekeyed, sessions, begun):
    after = sessions.rotate(begun.refresh_token)
    stored = app.services.db[REFRESH_TOKENS].find({"session": begun.session})
    assert after.refresh_token not in str(list(stored))
    assert rekeyed.successor(begun.refresh_token) != after.refresh_token


def test_repeating_does_not_prolong_the_grace(app, sessions, begun):
    sessions.rotate(begun.refresh_token)
    sessions.rotate(begun.refresh_token)
    age(app, begun.refresh_token, 9)
    sessions.rotate(begun.refresh_token)
    age(app, begun.refresh_token, 11)
    with pytest.raises(RefreshReused):
        sessions.rotate(begun.refresh_token)


def test_a_used_token_whose_successor_was_used_ends_its_family_within_the_grace(app, sessions, begun):
    """The one client that holds the successor has gone on: the used token comes from somebody else."""
    latest = sessions.rotate(sessions.rotate(begun.refresh_token).refresh_token)
    with pytest.raises(RefreshReused):
        sessions.rotate(begun.refresh_token)
    assert not lives(app, begun.session)
    with pytest.raises(BadRefresh):
        sessions.rotate(latest.refresh_token)


def test_a_thief_within_the_grace_is_found_out_by_the_next_exchange(app, sessions, begun):
    """Both hold the same successor then; whoever uses it later than the grace after the other ends the family."""
    mine, theirs = sessions.rotate(begun.refresh_token), sessions.rotate(begun.refresh_token)
    sessions.rotate(theirs.refresh_token)
    age(app, mine.refresh_token, 11)
    with pytest.raises(RefreshReused):
        sessions.rotate(mine.refresh_token)
    assert not lives(app, begun.session)


def test_a_successor_of_another_key_is_refused_without_punishment(rekeyed, sessions, begun):
    after = rekeyed.rotate(begun.refresh_token)
    with pytest.raises(RefreshRaced):
        sessions.rotate(begun.refresh_token)
    assert rekeyed.rotate(after.refresh_token)


def test_a_crash_before_the_exchange_counts_leaves_the_token_good(app, sessions, begun):
    tokens = app.services.db[REFRESH_TOKENS]
    sessions.put(
        sessions.successor(begun.refresh_token), app.store.get("sessions", begun.session), datetime.now(UTC)
    )
    assert tokens.count_documents({"session": begun.session}) == 2
    assert sessions.rotate(sessions.rotate(begun.refresh_token).refresh_token)


def test_a_used_token_after_the_grace_ends_its_family(app, sessions, begun):
    after = sessions.rotate(begun.refresh_token)
    age(app, begun.refresh_token, 11)
    with pytest.raises(RefreshReused) as caught:
        sessions.rotate(begun.refresh_token)
    assert caught.value.session == begun.session
    assert not lives(app, begun.session)
    with pytest.raises(BadRefresh):
        sessions.rotate(after.refresh_token)


def test_the_oldest_of_many_used_tokens_ends_its_family_too(app, sessions, begun):
    token = begun.refresh_token
    for _ in range(5):
        token = sessions.rotate(token).refresh_token
    age(app, begun.refresh_token, 11)
    with pytest.raises(RefreshReused):
        sessions.rotate(begun.refresh_token)
    assert not lives(app, begun.session)


def test_ending_a_family_leaves_the_users_other_sessions_alone(app, sessions, begun):
    second = sessions.start(begun.user, "a phone", "192.0.2.8")
    sessions.rotate(begun.refresh_token)
    age(app, begun.refresh_token, 11)
    with pytest.raises(RefreshReused):
        sessions.rotate(begun.refresh_token)
    assert sessions.rotate(second.refresh_token).session == second.session


def test_an_invented_token_harms_nobody(app, sessions, begun):
    with pytest.raises(BadRefresh):
        sessions.rotate("mqr_" + "A" * 43)
    assert lives(app, begun.session)


def test_an_idle_session_cannot_be_continued(app, sessions, begun):
    past = {"$set": {"expires_at": datetime.now(UTC) - timedelta(seconds=1)}}
    app.services.db[REFRESH_TOKENS].update_one({"_id": digest(begun.refresh_token)}, past)
    with pytest.raises(BadRefresh):
        sessions.rotate(begun.refresh_token)


def test_no_refresh_token_outlives_its_session(app, sessions, begun):
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=60)
    app.store.change("sessions", {"_id": begun.session}, set={"expires_at": ends})
    after = sessions.rotate(begun.refresh_token)
    assert (
        app.services.db[REFRESH_TOKENS].find_one({"_id": digest(after.refresh_token)})["expires_at"] == ends
    )


def test_a_session_older_than_its_longest_life_cannot_be_continued(app, sessions, begun):
    past = datetime.now(UTC) - timedelta(seconds=1)
    app.store.change("sessions", {"_id": begun.session}, set={"expires_at": past})
    with pytest.raises(BadRefresh):
        sessions.rotate(begun.refresh_token)


def test_all_other_sessions_end_and_this_one_stays(app, sessions, begun):
    others = [sessions.start(begun.user, "x", "192.0.2.8").session for _ in range(3)]
    assert sorted(sessions.end(begun.user, keep=begun.session)) == sorted(others)
    assert lives(app, begun.session) and not any(lives(app, one) for one in others)


def test_who_dies_right_after_a_new_password_leaves_no_session_of_the_old_one(app, sessions, alice):
    stolen = sessions.start(alice.user["_id"], "x", "192.0.2.9").session
    calls = []

    def end():
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        sessions.end(alice.user["_id"])

    with pytest.raises(KeyboardInterrupt):
        accounts.set_password(app.services, alice.user, "another horse and another lamp", end)
    assert accounts.check_password(app.services, alice.user["_id"], "another horse and another lamp")
    assert not lives(app, stolen)


def test_weak_password_ends_no_session(app, sessions, alice):
    kept = sessions.start(alice.user["_id"], "x", "192.0.2.9").session
    with pytest.raises(accounts.BadAccount):
        accounts.set_password(app.services, alice.user, "short", lambda: sessions.end(alice.user["_id"]))
    assert lives(app, kept)


def test_ending_anothers_session_does_nothing(app, sessions, begun):
    assert sessions.end(ObjectId(), only=begun.session) == []
    assert lives(app, begun.session)
    assert sessions.rotate(begun.refresh_token)


@pytest.mark.parametrize(
    ("address", "shown"),
    [("203.0.113.9", "203.0.113.0/24"), ("2001:db8:1:2::3", "2001:db8:1::/48"), ("nonsense", ""), ("", "")],
)
def test_an_address_is_shortened_to_its_network(address, shown):
    assert prefix_of(address) == shown


def test_a_device_name_is_made_safe_to_show():
    assert clean("a\x00b\nc" + "x" * 500) == "abc" + "x" * 197
    assert clean("") == "unknown"
