"""Feeds: what is in them and why, page by page, for those who may see it, at a bounded cost."""

import pytest
from bson import ObjectId

from features.discovery.trending_jobs import compute_trending
from tests.audience import explain, flush, make_channel, make_video, reads_of, walk
from tests.conftest import sign_up


@pytest.fixture(autouse=True)
def empty(app):
    """Begin each test without videos, trends and rankings."""
    for name in ("videos", "trending", "video_hours", "watch_history", "subscriptions"):
        app.services.db[name].delete_many({})
    app.services.redis.flushdb()
    app.cache.clear()


def view(client, video, agent="", position=0):
    client.post(f"/videos/{video}/views", {"position": position}, headers={"User-Agent": agent})


def entries(client, path):
    items, _ = walk(client, path)
    return [(item["_id"], item["reason"]) for item in items]


def trend(app):
    flush(app)
    compute_trending(app.store)


def test_trending_puts_first_what_is_watched_most(app, alice, anonymous):
    videos = [make_video(alice) for _ in range(4)]
    for n, times in enumerate((1, 5, 3, 0)):
        for time in range(times):
            view(anonymous, videos[n], f"agent {n} {time}")
    trend(app)
    found = entries(anonymous, "/feed/trending?max_results=2")
    assert found == [(videos[n], "trending") for n in (1, 2, 0, 3)]


def test_trending_without_a_list_shows_the_newest(alice, anonymous):
    videos = [make_video(alice) for _ in range(3)]
    assert entries(anonymous, "/feed/trending?max_results=2") == [(id_, "new") for id_ in reversed(videos)]


def test_list_computed_meanwhile_does_not_disturb_who_is_reading(app, alice, anonymous):
    videos = [make_video(alice) for _ in range(5)]
    trend(app)
    first = anonymous.get("/feed/trending?max_results=2").json
    for n in range(9):
        view(anonymous, videos[0], f"agent {n}")
    trend(app)
    rest, _ = walk(anonymous, first["_links"]["next"]["href"])
    seen = [item["_id"] for item in first["_items"] + rest]
    assert sorted(seen) == sorted(videos)


@pytest.mark.parametrize("visibility", ["private", "unlisted"])
def test_feeds_show_only_what_everyone_may_find(app, alice, bob, anonymous, visibility):
    video = make_video(alice, tags=["cat"])
    shown = make_video(alice, tags=["cat"])
    bob.put(f"/channels/{alice.get(f'/videos/{video}').json['channel']}/subscription")
    view(anonymous, video, "agent")
    trend(app)
    alice.patch(f"/videos/{video}", {"visibility": visibility})
    for client, path in (
        (anonymous, "/feed/trending"), (anonymous, "/feed/home"), (bob, "/feed/home"),
        (bob, "/feed/subscriptions"), (anonymous, f"/videos/{shown}/related"), (alice, "/feed/trending"),
    ):  # fmt: skip
        assert video not in [id_ for id_, _ in entries(client, path)], path


def test_deleted_and_blocked_videos_are_in_no_feed(app, alice, carol, anonymous):
    deleted, blocked = make_video(alice), make_video(alice)
    trend(app)
    alice.delete(f"/videos/{deleted}")
    assert carol.post(f"/admin/videos/{blocked}/block").status_code == 200
    assert entries(anonymous, "/feed/trending") == []


def test_subscription_feed_is_the_newest_of_the_channels_one_follows(alice, bob):
    mine, other = make_channel(alice), make_channel(alice)
    first = make_video(alice, mine)
    make_video(alice, other)
    second = make_video(alice, mine)
    bob.put(f"/channels/{mine}/subscription")
    found = entries(bob, "/feed/subscriptions?max_results=1")
    assert found == [(second, "subscribed"), (first, "subscribed")]


def test_subscription_feed_needs_someone_signed_in(anonymous):
    assert anonymous.get("/feed/subscriptions").status_code == 401


def test_home_of_a_stranger_is_what_is_popular(app, alice, anonymous):
    video = make_video(alice)
    trend(app)
    assert entries(anonymous, "/feed/home") == [(video, "popular")]


def test_home_knows_channels_and_interests_and_leaves_out_what_was_seen(app, alice, bob):
    followed = make_channel(alice)
    seen = make_video(alice, tags=["chess"], duration=10.0)
    interesting = make_video(alice, tags=["chess"])
    new = make_video(alice)
    subscribed = make_video(alice, followed)
    bob.put(f"/channels/{followed}/subscription")
    view(bob, seen, position=10)

    found = dict(entries(bob, "/feed/home?max_results=2"))

    assert found == {subscribed: "subscribed", interesting: "interest", new: "new"}


def test_related_prefers_shared_tags_and_the_same_channel_over_what_is_merely_new(alice, anonymous):
    channel = make_channel(alice)
    video = make_video(alice, channel, tags=["cat", "dog"])
    sibling = make_video(alice, channel)
    both, one = make_video(alice, tags=["cat", "dog"]), make_video(alice, tags=["dog"])
    new = make_video(alice)
    found = entries(anonymous, f"/videos/{video}/related?max_results=2")
    reasons = dict(found)
    assert reasons == {sibling: "same_channel", both: "same_tags", one: "same_tags", new: "new"}
    assert [id_ for id_, _ in found].index(both) < [id_ for id_, _ in found].index(one)
    assert found[-1][0] == new


def test_related_knows_what_the_same_people_watched(app, alice, bob, carol):
    video, together = make_video(alice), make_video(alice)
    for client in (bob, carol):
        view(client, video)
        view(client, together)
    assert (together, "watched_together") in entries(bob, f"/videos/{video}/related")


def test_related_to_what_one_cannot_see_is_404(alice, bob):
    assert bob.get(f"/videos/{make_video(alice, visibility='private')}/related").status_code == 404


def test_cursor_fits_only_its_own_feed(app, alice, anonymous):
    for _ in range(3):
        make_video(alice)
    trend(app)
    cursor = anonymous.get("/feed/trending?max_results=1").json["_links"]["next"]["href"].split("cursor=")[1]
    for path in ("/feed/home", "/feed/trending?window=week", "/videos"):
        answer = anonymous.get(f"{path}{'&' if '?' in path else '?'}cursor={cursor}")
        assert (answer.status_code, answer.json["reason"]) == (400, "bad_cursor"), path


@pytest.mark.parametrize(
    "query", ["window=year", "max_results=0", "max_results=101", "cursor=x", "where={}", "page=2"]
)
def test_junk_parameters_are_refused(anonymous, query):
    assert anonymous.get(f"/feed/trending?{query}").status_code == 400


def test_entry_is_the_video_with_its_reason(app, alice, anonymous):
    video = make_video(alice)
    trend(app)
    entry = anonymous.get("/feed/trending").json["_items"][0]
    document = anonymous.get(f"/videos/{video}").json
    assert entry == {**document, "reason": "trending"}


def test_feed_answers_304_to_who_has_it(app, alice, anonymous):
    make_video(alice)
    trend(app)
    etag = anonymous.get("/feed/trending").headers["ETag"]
    assert anonymous.get("/feed/trending", headers={"If-None-Match": etag}).status_code == 304


def test_page_of_any_feed_takes_at_most_three_commands(app, alice, bob, anonymous):
    channel = make_channel(alice)
    videos = [make_video(alice, channel, tags=["cat"]) for _ in range(4)]
    bob.put(f"/channels/{channel}/subscription")
    trend(app)
    for client, path in (
        (anonymous, "/feed/trending"), (anonymous, "/feed/home"), (bob, "/feed/home"),
        (bob, "/feed/subscriptions"),
    ):  # fmt: skip
        commands = reads_of(app, client, f"{path}?embedded=channel&max_results=2")
        assert len(commands) <= 3, (path, commands)
    commands = reads_of(app, anonymous, f"/videos/{videos[0]}/related?embedded=channel")
    assert len(commands) <= 3, commands


def test_subscription_feed_of_two_thousand_channels_is_read_from_an_index(app, alice, bob):
    make_video(alice)
    listed = {"visibility": "public", "status": "READY", "deleted_at": None}
    channels = [ObjectId() for _ in range(2000)]
    videos = app.services.db["videos"]
    base = {**listed, "title": "t", "_etag": "x"}
    videos.insert_many(
        {**base, "_id": ObjectId(), "channel": channels[n % 2000], "published_at": None} for n in range(4000)
    )
    plan = explain(
        videos, find="videos", filter={**listed, "channel": {"$in": channels}},
        sort={"published_at": -1, "_id": -1}, limit=26,
    )  # fmt: skip
    assert "SORT" not in dict(plan) and "COLLSCAN" not in dict(plan), plan


def test_feeds_go_on_without_redis(app, alice, monkeypatch):
    from redis.exceptions import ConnectionError as Gone

    user = sign_up(app, "lonely")
    video = make_video(alice)

    def gone(*args, **kwargs):
        raise Gone

    monkeypatch.setattr(app.services.redis, "get", gone)
    assert entries(user, "/feed/home") == [(video, "new")]
