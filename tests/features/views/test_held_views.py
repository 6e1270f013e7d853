"""What one address adds beyond the limit is held, until a moderator has looked at it and lets it count, or not."""

from dataclasses import replace

import pytest
from bson import ObjectId

from features.backend import Backend
from tests.audience import counters, flush, make_channel, make_video
from tests.field_reports import reported


@pytest.fixture
def held(app, alice):
    """A video of alice's with two views that counted and three that are held; return it and its channel."""
    channel = make_channel(alice)
    video = make_video(alice, channel)
    services = Backend(replace(app.settings, view_address_daily=2))
    for number in range(5):
        viewer = services.views.viewer(None, "192.0.2.7", f"agent {number}")
        services.views.beat(ObjectId(video), 60, viewer, 0)
    services.close()
    flush(app)
    return video, channel


def day_of(client, video):
    (found,) = (
        one
        for one in client.get("/video_stats?sort=-views_held&max_results=100").json["_items"]
        if one["video"] == video
    )
    return found


def seen(client, video, channel):
    """Return the views, as all who count them say, and what is held."""
    totals = client.get(f"/videos/{video}/stats").json["totals"]
    of_video = counters(client, f"/videos/{video}")["views"]
    assert of_video == counters(client, f"/channels/{channel}")["views"] == totals["views"]
    return of_video, totals["views_held"]


@reported(
    "Views",
    "What was held of a crowd behind one address, and was people after all, can never be counted",
    sent="`GET /video_stats?sort=-views_held` and `POST /video_stats/{id}/release` by a moderator",
    back="200: `views_held` goes into `views`, of the day, the video and its channel; `hold` takes it back",
)
def test_moderator_lets_held_views_count_and_takes_that_back(app, alice, carol, held):
    day = day_of(carol, held[0])
    assert seen(alice, *held) == (2, 3)
    answer = carol.post(f"/video_stats/{day['_id']}/release")
    assert (answer.status_code, answer.json["views"], answer.json["views_held"]) == (200, 5, 0)
    assert seen(alice, *held) == (5, 0)
    assert carol.post(f"/video_stats/{day['_id']}/release").status_code == 409
    assert carol.post(f"/video_stats/{day['_id']}/hold").json["views_held"] == 3
    assert seen(alice, *held) == (2, 3)
    assert carol.post(f"/video_stats/{day['_id']}/hold").status_code == 409
    deeds = [one["action"] for one in app.services.db["audit_log"].find({"target.id": ObjectId(day["_id"])})]
    assert deeds == ["views_released", "views_held"]


def test_some_of_the_held_views_may_count(alice, carol, held):
    path = f"/video_stats/{day_of(carol, held[0])['_id']}"
    assert carol.post(f"{path}/release", {"views": 2}).status_code == 200
    assert seen(alice, *held) == (4, 1)
    for odd, field in ((0, "views"), (2, "views"), (-1, "views"), ("x", "views"), (True, "views")):
        answer = carol.post(f"{path}/release", {"views": odd})
        assert (answer.status_code, list(answer.json["issues"])) == (422, [field]), odd
    assert carol.post(f"{path}/hold", {"views": 2}).status_code == 200
    assert seen(alice, *held) == (2, 3)


def test_nobody_lets_their_own_held_views_count(alice, bob, carol, anonymous, held):
    day = day_of(carol, held[0])
    path = f"/video_stats/{day['_id']}"
    assert "release" in day["_links"] and "hold" not in day["_links"]
    assert "release" not in alice.get(path).json["_links"]
    assert [who.post(f"{path}/release").status_code for who in (alice, bob, anonymous)] == [403, 404, 404]
    assert seen(alice, *held) == (2, 3)


def test_released_views_are_lost_to_no_flush(app, alice, carol, held):
    """A flush that comes between adds to what is there."""
    services = Backend(replace(app.settings, view_address_daily=1))
    for number in range(3):
        services.views.beat(ObjectId(held[0]), 60, services.views.viewer(None, "192.0.2.9", f"{number}"), 0)
    services.close()
    day = day_of(carol, held[0])
    assert carol.post(f"/video_stats/{day['_id']}/release").status_code == 200
    flush(app)
    assert seen(alice, *held) == (6, 2)


def test_day_of_an_older_version_that_names_no_channel_is_released_too(app, carol, held):
    day = day_of(carol, held[0])
    app.services.db["video_stats"].update_one({"_id": ObjectId(day["_id"])}, {"$unset": {"channel": ""}})
    answer = carol.post(f"/video_stats/{day['_id']}/release", {"views": 1})
    assert (answer.status_code, answer.json["views"]) == (200, 3), answer.text
