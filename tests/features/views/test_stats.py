"""Creator statistics: equal to the raw truth, for those whose they are."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from features.views.rollup_jobs import roll_up, roll_up_day
from features.views.views import Viewer
from tests.audience import flush, make_channel, make_comment, make_video


def settle(app):
    flush(app)
    roll_up(app.store)


def test_totals_are_the_raw_truth(app, alice, bob, carol, anonymous):
    channel = make_channel(alice)
    videos = [make_video(alice, channel) for _ in range(2)]
    for n, video in enumerate(videos):
        for k in range(n + 1):
            anonymous.post(f"/videos/{video}/views", {"position": 0}, headers={"User-Agent": f"{n} {k}"})
        bob.put(f"/videos/{video}/like", {"value": 1})
    carol.put(f"/videos/{videos[0]}/like", {"value": -1})
    make_comment(bob, videos[0])
    settle(app)
    settle(app)

    totals = alice.get(f"/channels/{channel}/stats").json["totals"]

    db, ids = app.services.db, [ObjectId(video) for video in videos]
    truth = {
        "views": sum(one["counters"]["views"] for one in db["videos"].find({"_id": {"$in": ids}})),
        "likes": db["likes"].count_documents({"target": {"$in": ids}, "value": 1}),
        "dislikes": db["likes"].count_documents({"target": {"$in": ids}, "value": -1}),
        "comments": db["comments"].count_documents({"video": {"$in": ids}}),
    }
    assert (
        {name: totals[name] for name in truth}
        == truth
        == {"views": 3, "likes": 2, "dislikes": 1, "comments": 1}
    )


def test_like_taken_back_is_counted_no_more(app, alice, bob):
    video = make_video(alice)
    bob.put(f"/videos/{video}/like", {"value": 1})
    settle(app)
    bob.delete(f"/videos/{video}/like")
    settle(app)
    assert alice.get(f"/videos/{video}/stats").json["totals"]["likes"] == 0


def test_every_day_has_an_entry(alice):
    days = alice.get(f"/videos/{make_video(alice)}/stats?since=2026-01-30&until=2026-02-02").json["days"]
    assert [day["day"] for day in days] == ["2026-01-30", "2026-01-31", "2026-02-01", "2026-02-02"]


def test_watch_time_and_retention_come_from_heartbeats(app, alice):
    video = ObjectId(make_video(alice, duration=100.0))
    now = int(datetime.now(UTC).timestamp() * 1000)
    for name, last in (("a", 50), ("b", 100)):
        for position in range(0, last + 1, 5):
            app.services.views.beat(video, 100, Viewer(name, name), position, now + position * 1000)
    settle(app)
    until = (datetime.now(UTC) + timedelta(days=1)).date()
    stats = alice.get(f"/videos/{video}/stats?until={until}").json
    assert (stats["totals"]["views"], stats["totals"]["watch_seconds"]) == (2, 150.0)
    assert stats["retention"] == [1.0] * 6 + [0.5] * 4


def test_top_videos_come_first(app, alice, anonymous):
    channel = make_channel(alice)
    less, more = make_video(alice, channel), make_video(alice, channel)
    for video, times in ((less, 1), (more, 3)):
        for n in range(times):
            anonymous.post(f"/videos/{video}/views", {"position": 0}, headers={"User-Agent": f"top {n}"})
    settle(app)
    top = alice.get(f"/channels/{channel}/stats").json["top"]
    assert [(one["video"], one["views"]) for one in top] == [(more, 3), (less, 1)]


def test_statistics_are_the_owners_and_moderators(alice, bob, carol, anonymous):
    video = make_video(alice)
    assert carol.get(f"/videos/{video}/stats").status_code == 200
    assert bob.get(f"/videos/{video}/stats").status_code == 403
    assert anonymous.get(f"/videos/{video}/stats").status_code == 401


@pytest.mark.parametrize("query", ["since=x", "since=2026-02-30", "since=2020-01-01", "until=0001-01-01",
                                   "since=2026-02-02&until=2026-02-01", "days=3"])  # fmt: skip
def test_junk_spans_are_refused(alice, query):
    assert alice.get(f"/videos/{make_video(alice)}/stats?{query}").status_code == 400


def test_roll_up_of_a_day_can_be_repeated(app, alice, bob):
    video = make_video(alice)
    bob.put(f"/videos/{video}/like", {"value": 1})
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for _ in range(3):
        roll_up_day(app.store, today)
    days = list(app.services.db["video_stats"].find({"video": ObjectId(video)}))
    assert [day["likes"] for day in days] == [1]
