"""Subscriptions: set, counted, private unless made public."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from bson import ObjectId

from tests.audience import counters, make_channel
from tests.conftest import Client, sign_up


@pytest.fixture
def channel(alice):
    return make_channel(alice)


def test_subscription_counts_once(bob, channel):
    for _ in range(3):
        assert bob.put(f"/channels/{channel}/subscription").status_code == 200
    assert counters(bob, f"/channels/{channel}")["subscribers"] == 1


def test_subscription_ends_once(bob, channel):
    bob.put(f"/channels/{channel}/subscription")
    for _ in range(2):
        assert bob.delete(f"/channels/{channel}/subscription").json["counters"]["subscribers"] == 0


def test_level_stays_unless_it_is_stated(bob, channel):
    assert bob.put(f"/channels/{channel}/subscription", {"level": "none"}).json["level"] == "none"
    assert bob.put(f"/channels/{channel}/subscription").json["level"] == "none"


def test_unknown_level_is_refused(bob, channel):
    assert bob.put(f"/channels/{channel}/subscription", {"level": "loud"}).status_code == 422


def test_anonymous_cannot_subscribe(anonymous, channel):
    assert anonymous.put(f"/channels/{channel}/subscription").status_code == 401


def test_missing_channel_is_404(bob):
    assert bob.put(f"/channels/{ObjectId()}/subscription").status_code == 404


def test_subscribers_are_shown_only_if_they_want_to(alice, bob, carol, anonymous, channel):
    bob.put(f"/channels/{channel}/subscription")
    carol.put(f"/channels/{channel}/subscription", {"visibility": "public"})
    for client in (anonymous, alice):
        listed = client.get(f"/channels/{channel}/subscribers").json["_items"]
        assert [one["user"] for one in listed] == [str(carol.user["_id"])]
        assert "level" not in listed[0]


def test_stranger_cannot_read_a_private_subscription(alice, bob, channel):
    id_ = bob.put(f"/channels/{channel}/subscription").json["_id"]
    assert bob.get(f"/subscriptions/{id_}").status_code == 200
    assert alice.get(f"/subscriptions/{id_}").status_code == 404


def test_my_subscriptions_are_listed_with_their_channels(bob, channel):
    bob.put(f"/channels/{channel}/subscription")
    first = bob.get("/subscriptions?embedded=channel").json["_items"][0]
    assert first["channel"]["_id"] == channel and first["channel"]["handle"]


def test_one_request_tells_which_channels_are_followed(alice, bob, channel):
    other = make_channel(alice)
    bob.put(f"/channels/{channel}/subscription")
    assert bob.get(f"/me/subscribed?ids={channel},{other}").json["subscribed"] == {
        channel: "all",
        other: None,
    }


def test_racing_subscriptions_leave_the_counter_equal_to_the_truth(app, channel):
    users = [sign_up(app, f"fan{n}") for n in range(6)]

    def deed(n):
        client = Client(app, users[n % 6].token)
        call = client.delete if n % 5 == 0 else client.put
        return call(f"/channels/{channel}/subscription").status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(deed, range(90))) == {200}
    truth = app.services.db["subscriptions"].count_documents({"channel": ObjectId(channel)})
    assert counters(users[0], f"/channels/{channel}")["subscribers"] == truth
