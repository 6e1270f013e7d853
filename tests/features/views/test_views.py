"""Views: the published rule, held against a straightforward simulation of it; history; the flush."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from bson import ObjectId

from features.views import flush_jobs as flushing
from features.views.views import Viewer, is_bot, network_of
from tests.audience import counters, flush, make_video
from tests.conftest import Client

START = 1_780_000_000_000
WINDOW = 3_600_000


def beat(client, video, position=0, **headers):
    answer = client.post(f"/videos/{video}/views", {"position": position}, headers=headers)
    assert answer.status_code == 200, answer.json
    return answer.json


class Rule:
    """The rule v1 as anybody would write it down."""

    def __init__(self, durations):
        self.durations = durations
        self.views = {}
        self.counted, self.engaged, self.watched = Counter(), Counter(), Counter()

    def beat(self, viewer, video, position, now):
        duration = self.durations[video]
        position = min(position, duration) if duration else position
        view = self.views.get((viewer, video))
        if view is None or now - view["start"] >= WINDOW:
            view = self.views[viewer, video] = {"start": now, "watched": 0, "engaged": False}
            self.counted[video] += 1
            fresh = True
        else:
            gain = min(max(0, position - view["position"]), 2 * max(0, now - view["last"]))
            view["watched"] += gain
            self.watched[video] += gain
            fresh = False
        view.update(last=now, position=position)
        if not view["engaged"] and view["watched"] >= min(30_000, duration / 2 if duration else 30_000):
            view["engaged"] = True
            self.engaged[video] += 1
        return fresh


def test_first_heartbeat_counts_and_the_next_says_why_not(alice, bob):
    video = make_video(alice)
    first, second = beat(bob, video), beat(bob, video, 5)
    assert first == {"counted": True, "reason": "counted", "retry_after": 3600, "rule": "v1"}
    assert second["counted"] is False and second["reason"] == "within_window"
    assert 3590 <= second["retry_after"] <= 3600


def test_owner_never_counts(app, alice):
    video = make_video(alice)
    assert beat(alice, video)["reason"] == "owner"
    flush(app)
    assert counters(alice, f"/videos/{video}")["views"] == 0


def test_bot_never_counts(app, alice, anonymous):
    video = make_video(alice)
    assert (
        beat(anonymous, video, **{"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"})["reason"] == "bot"
    )
    flush(app)
    assert counters(alice, f"/videos/{video}")["views"] == 0


def test_agents_of_people_are_no_bots():
    assert not is_bot("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")


@pytest.mark.parametrize("visibility", ["private"])
def test_stranger_cannot_view_what_he_cannot_see(alice, bob, visibility):
    video = make_video(alice, visibility=visibility)
    assert bob.post(f"/videos/{video}/views", {"position": 0}).status_code == 404


def test_draft_has_no_views(alice):
    channel = alice.post("/channels", {"handle": "draft-channel", "name": "d"}).json["_id"]
    draft = alice.post("/videos", {"channel": channel, "title": "t"}).json["_id"]
    assert alice.post(f"/videos/{draft}/views", {"position": 0}).status_code == 409


@pytest.mark.parametrize("position", [-1, "1", None, 1e300, [1], True])
def test_junk_positions_are_refused(alice, bob, position):
    video = make_video(alice)
    assert bob.post(f"/videos/{video}/views", {"position": position}).status_code in (400, 422)


def test_anonymous_viewers_are_told_apart_by_agent(app, alice, anonymous):
    video = make_video(alice)
    assert beat(anonymous, video, **{"User-Agent": "A"})["counted"]
    assert beat(anonymous, video, **{"User-Agent": "B"})["counted"]
    assert not beat(anonymous, video, **{"User-Agent": "A"})["counted"]


def test_addresses_of_one_network_are_one_viewer():
    assert network_of("203.0.113.7") == network_of("203.0.113.200") != network_of("203.0.114.7")
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:3::1") != network_of("2001:db8:2::1")


def test_viewer_who_watches_past_midnight_is_still_the_same(app):
    views, video = app.services.views, ObjectId()
    assert views.beat(video, 60, Viewer("day-one", "day-zero"), 0, START).counted
    assert not views.beat(video, 60, Viewer("day-two", "day-one"), 10, START + 10_000).counted


def test_storm_of_heartbeats_is_one_view_and_no_watch_time(app, alice, bob):
    video = make_video(alice, duration=1000.0)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: beat(Client(app, bob.token), video, n * 100), range(40)))
    assert sum(answer["counted"] for answer in answers) == 1
    flush(app)
    shown = counters(alice, f"/videos/{video}")
    assert (shown["views"], shown["engaged_views"]) == (1, 0)


def test_flush_adds_to_video_channel_and_day(app, alice, bob):
    video = make_video(alice)
    beat(bob, video)
    flush(app)
    channel = alice.get(f"/videos/{video}").json["channel"]
    assert counters(alice, f"/videos/{video}")["views"] == 1
    assert counters(alice, f"/channels/{channel}")["views"] == 1
    day = alice.get(f'/video_stats?where={{"video":"{video}"}}').json["_items"][0]
    assert (day["views"], day["reached"]["t0"]) == (1, 1)


def test_views_of_an_erased_video_are_forgotten(app, alice, bob):
    video = ObjectId(make_video(alice))
    beat(bob, video)
    app.store.erase("videos", app.store.get("videos", video))
    flush(app)
    assert app.services.db["video_stats"].count_documents({"video": video}) == 0


def replay(app, beats, viewers, durations, seed):
    """Send random heartbeats of many viewers, with clocks that lie, to the service and to the rule."""
    rng, rule, now = random.Random(seed), Rule(durations), START
    views, videos = app.services.views, list(durations)
    for _ in range(beats):
        now += rng.randrange(0, 60_000)
        viewer, video = f"{seed}-{rng.randrange(viewers)}", rng.choice(videos)
        position = rng.choice([0, rng.randrange(0, 200_000), rng.randrange(0, 2_000)])
        verdict = views.beat(video, durations[video] / 1000, Viewer(viewer, viewer), position / 1000, now)
        assert verdict.counted == rule.beat(viewer, video, position, now)
    return rule


def totals(app, video):
    found = app.services.db["videos"].find_one({"_id": video})["counters"]
    days = list(app.services.db["video_stats"].find({"video": video}))
    return found["views"], found["engaged_views"], sum(day["watch_ms"] for day in days)


def some_videos(alice, lengths):
    return {ObjectId(make_video(alice, duration=length / 1000)): length for length in lengths}


@pytest.mark.slow
def test_counts_are_those_of_a_simulation_of_the_rule(app, alice):
    durations = some_videos(alice, [20_000, 60_000, 600_000])
    rule = replay(app, 3000, 40, durations, seed=1)
    flush(app)
    for video in durations:
        assert totals(app, video) == (rule.counted[video], rule.engaged[video], rule.watched[video])


class Killed(Exception):
    """The flusher died here."""


def die(*args, **kwargs):
    raise Killed


def die_after(function):
    def dying(*args, **kwargs):
        function(*args, **kwargs)
        raise Killed

    return dying


STEPS = {
    "before setting aside": ("services", "set_aside", lambda f: die),
    "after setting aside": ("services", "set_aside", die_after),
    "before the transaction": ("flushing", "write_lot", lambda f: die),
    "after the transaction": ("flushing", "write_lot", die_after),
    "before dropping the batch": ("services", "drop", lambda f: die),
    "after dropping the batch": ("services", "drop", die_after),
}


def flush_and_die(app, monkeypatch, step):
    """Run a flush that dies at a step."""
    where, name, replace = STEPS[step]
    target = app.services.views if where == "services" else flushing
    with monkeypatch.context() as patch:
        patch.setattr(target, name, replace(getattr(target, name)))
        with pytest.raises(Killed):
            flushing.flush_views(app.store)


@pytest.mark.parametrize("step", STEPS)
def test_flusher_that_dies_loses_nothing_and_counts_nothing_twice(
    app, alice, bob, anonymous, monkeypatch, step
):
    flush(app)
    video = make_video(alice)
    beat(bob, video)
    flush_and_die(app, monkeypatch, step)
    beat(anonymous, video, **{"User-Agent": step})
    for _ in range(2):
        flush(app)
    assert counters(alice, f"/videos/{video}")["views"] == 2


def test_two_flushers_at_once_count_once(app, alice, anonymous):
    video = make_video(alice)
    for n in range(20):
        beat(anonymous, video, **{"User-Agent": f"agent {n}"})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: flush(app), range(8)))
    assert counters(alice, f"/videos/{video}")["views"] == 20


@pytest.mark.slow
def test_hundred_thousand_heartbeats_with_a_dying_flusher_count_exactly(app, alice, monkeypatch):
    flush(app)
    durations = some_videos(alice, [15_000, 45_000, 120_000, 900_000, 3_600_000])
    rules = []
    for round_, step in enumerate([*STEPS, *STEPS]):
        rules.append(replay(app, 100_000 // 12 + 1, 1000 // 12 + 1, durations, seed=100 + round_))
        flush_and_die(app, monkeypatch, step)
    flush(app)
    for video in durations:
        wanted = tuple(
            sum(getattr(rule, name)[video] for rule in rules) for name in ("counted", "engaged", "watched")
        )
        assert totals(app, video) == wanted


def test_policy_is_published(anonymous, app):
    policy = anonymous.get("/view-policy").json
    assert policy["rule"] == "v1" and policy["window_seconds"] == app.settings.view_window_seconds


def test_history_remembers_where_one_stopped(alice, bob):
    video = make_video(alice, duration=100.0)
    beat(bob, video, 10)
    beat(bob, video, 42.5)
    entry = bob.get("/watch_history").json["_items"][0]
    assert (entry["video"], entry["position"], entry["completed"]) == (video, 42.5, False)
    assert bob.get(f"/me/positions?ids={video}").json["positions"][video]["position"] == 42.5


def test_history_notes_what_was_watched_to_the_end(alice, bob):
    video = make_video(alice, duration=100.0)
    beat(bob, video, 5000)
    entry = bob.get("/watch_history").json["_items"][0]
    assert (entry["position"], entry["completed"]) == (100, True)


def test_history_is_ones_own(alice, bob, carol, anonymous):
    beat(bob, make_video(alice))
    entry = bob.get("/watch_history").json["_items"][0]["_id"]
    assert carol.get(f"/watch_history/{entry}").status_code == 404
    assert anonymous.get("/watch_history").status_code == 401


def test_history_can_be_paused(alice, bob):
    bob.delete("/me/history")
    bob.patch("/me", {"settings": {"history_paused": True}})
    video = make_video(alice)
    assert beat(bob, video)["counted"]
    assert bob.get("/watch_history").json["_items"] == []
    bob.patch("/me", {"settings": {"history_paused": False}})


def test_history_forgets_one_or_all(alice, bob):
    videos = [make_video(alice) for _ in range(3)]
    for video in videos:
        beat(bob, video)
    assert bob.delete(f"/me/history/{videos[0]}").status_code == 204
    assert videos[0] not in [one["video"] for one in bob.get("/watch_history").json["_items"]]
    assert bob.delete("/me/history").status_code == 204
    assert bob.get("/watch_history").json["_items"] == []


def test_history_does_not_show_what_became_private(alice, bob):
    video = make_video(alice, title="Hidden later")
    beat(bob, video)
    alice.patch(f"/videos/{video}", {"visibility": "private"})
    answer = bob.get("/watch_history?embedded=video")
    assert "Hidden later" not in answer.text


def test_salt_of_a_day_is_drawn_once(app):
    day = datetime.now(UTC).date().isoformat()
    views = app.services.views
    first = views.salt(day)
    views.salts = {}
    assert views.salt(day) == first and len(first) == 16
