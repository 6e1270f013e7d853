"""Notifications, reports and moderation: who is told, who decides, and who may not look."""

import time

import pytest
from bson import ObjectId

from machine.counters.recount import verify
from machine.jobs.runner import run_job
from machine.streams.sse import MOST_EACH
from tests.studio import TEXT, Studio, at_once, ids, refused, walk


def comment(who, film, text="Hello", parent=None):
    answer = who.post(f"/videos/{film}/comments", {"text": text} | ({"parent": parent} if parent else {}))
    assert answer.status_code == 201, answer.json
    return answer.json["_id"]


def notices(who, **wanted):
    return [
        one
        for one in walk(who, "/notifications?max_results=50")
        if all(one.get(name) == value for name, value in wanted.items())
    ]


@pytest.fixture
def stage(app, town, later):
    """A channel and a film of a newcomer's, so that his notifications begin empty."""
    host = town.newcomer()
    studio = Studio(app, host)
    film = studio.film()
    later()
    host.post("/me/notifications/read")
    return host, studio, film


def test_comments_on_a_film_are_one_notice_with_a_count(stage, town, later):
    host, _, film = stage
    for who in town.some(4):
        comment(who, film)
    comment(host, film)
    later()
    (one,) = notices(host, kind="comment")
    assert (one["kind"], one["count"], one["unread"]) == ("comment", 4, True)
    later()
    assert notices(host, kind="comment")[0]["count"] == 4


def test_notice_that_was_read_is_followed_by_a_fresh_one(stage, town, later):
    host, _, film = stage
    (who,) = town.some(1)
    comment(who, film)
    later()
    (one,) = notices(host, kind="comment")
    for _ in range(2):
        answer = host.post(f"/notifications/{one['_id']}/read")
        assert answer.status_code == 200 and answer.json["unread"] is False
    assert host.get("/me/notifications/unread").json == {"unread": 0}
    comment(who, film)
    later()
    assert [(n["count"], n["unread"]) for n in notices(host, kind="comment")] == [(1, True), (1, False)]


def test_all_are_read_at_once_and_twice(stage, town, later):
    host, studio, film = stage
    other = studio.film()
    later()
    host.post("/me/notifications/read")
    for who in town.some(2):
        comment(who, film), comment(who, other)
    later()
    assert host.get("/me/notifications/unread").json == {"unread": 2}
    assert host.post("/me/notifications/read").json == {"read": 2}
    assert host.post("/me/notifications/read").json == {"read": 0}
    assert notices(host, unread=True) == []


def test_reply_and_mention_reach_each_person_once_and_never_oneself(stage, town, later):
    host, _, film = stage
    a, b = town.newcomer(), town.newcomer()
    for one in (a, b):
        name = one.user["username"]
        one.app.services.db.users.update_one({"_id": one.user["_id"]}, {"$set": {"username_key": name}})
    first = comment(a, film)
    text = f"@{a.user['username']} @{b.user['username']}"
    comment(b, film, text, parent=first)
    later()
    assert [n["kind"] for n in notices(a)] == ["reply"]
    assert notices(b) == []


def test_mention_below_a_private_film_tells_nobody(stage, town, later):
    host, studio, _ = stage
    one = town.newcomer()
    one.app.services.db.users.update_one(
        {"_id": one.user["_id"]}, {"$set": {"username_key": one.user["username"]}}
    )
    comment(host, studio.film("private"), f"@{one.user['username']}")
    later()
    assert notices(one) == []


def test_held_comment_is_announced_when_it_is_approved(app, stage, town, later):
    host, _, film = stage
    app.store.change("videos", {"_id": ObjectId(film)}, set={"comment_policy": "approval"})
    first = comment(host, film)
    (who,) = town.some(1)
    reply = comment(who, film, parent=first)
    later()
    assert notices(host, kind="reply") == []
    host.post(f"/comments/{reply}/approve")
    later()
    assert len(notices(host, kind="reply")) == 1


def test_subscribers_are_told_of_a_new_film_as_loudly_as_they_want(stage, town, later):
    host, studio, _ = stage
    loud, quiet, off = town.newcomer(), town.newcomer(), town.newcomer()
    path = f"/channels/{studio.channel}/subscription"
    loud.put(path), quiet.put(path, {"level": "none"}), off.put(path)
    assert off.patch("/me", {"settings": {"notifications": {"new_video": False}}}).status_code == 200
    film = studio.film("private", published_at=None)
    assert host.post(f"/videos/{film}/publish").status_code == 200
    later()
    assert [n["video"] for n in notices(loud, kind="new_video")] == [film]
    assert notices(quiet) == [] and notices(off) == []
    later()
    assert notices(loud)[0]["count"] == 1


def test_notices_are_nobody_elses(stage, town, later, dana, anonymous):
    host, _, film = stage
    comment(town.some(1)[0], film)
    later()
    (one,) = notices(host, kind="comment")
    for who in (dana, town.newcomer()):
        refused(who.get(f"/notifications/{one['_id']}"), 404)
        refused(who.post(f"/notifications/{one['_id']}/read"), 404)
        refused(who.delete(f"/notifications/{one['_id']}"), 404)
        assert one["_id"] not in who.get("/notifications").text
    refused(anonymous.get("/notifications"), 401)
    refused(anonymous.post("/me/notifications/read"), 401)
    refused(anonymous.get("/me/stream"), 401)


def test_notice_of_a_film_that_became_private_tells_nothing_of_it(app, stage, town, later):
    host, studio, _ = stage
    one = town.newcomer()
    one.put(f"/channels/{studio.channel}/subscription")
    film = studio.film("private", title="Hidden again", published_at=None)
    host.post(f"/videos/{film}/publish")
    later()
    host.post(f"/videos/{film}/unpublish")
    assert "Hidden again" not in one.get("/notifications?embedded=video").text


def test_stream_goes_on_where_it_was_lost(app, stage, town, later):
    host, studio, _ = stage
    for _ in range(3):
        comment(town.some(1)[0], studio.film())
    later()

    def read(position, count):
        """Read so many events, and as many more as there are."""
        headers = {"Authorization": f"Bearer {host.token}", "Last-Event-ID": position}
        answer = host.http.open("/api/v1/me/stream", headers=headers, buffered=False)
        (stream,) = app.streams.present()
        ids, deadline = [], time.monotonic() + 20
        while (len(ids) < count or stream.behind) and time.monotonic() < deadline:
            ids += [part.split(b"\n")[0][4:].decode() for part in stream.take() if part.startswith(b"id: ")]
        answer.close()
        return ids

    every = read("0-" + "0" * 24, 3)
    assert len(every) >= 3 and len(set(every)) == len(every)
    assert read(every[0], len(every) - 1) == every[1:]
    assert read(every[-1], 0) == []


@pytest.mark.parametrize(
    "last",
    [
        "x",
        "-",
        "1-",
        "-" + "a" * 24,
        "9" * 40 + "-" + "a" * 24,
        "999999999999999-" + "a" * 24,
        "²-" + "a" * 24,
        "1-" + "A" * 24,
        "0x1-" + "a" * 24,
        "\u0661-" + "a" * 24,
    ],
)
def test_odd_last_event_id_breaks_nothing(last):
    from machine.streams.sse import read_position

    read_position(last)


def test_one_person_cannot_take_every_stream(app, town):
    greedy, other = town.newcomer(), town.newcomer()
    opened = [greedy.get("/me/stream") for _ in range(20)]
    try:
        assert {answer.status_code for answer in opened} == {200}
        assert len(app.streams.present()) == MOST_EACH
        late = other.get("/me/stream")
        assert late.status_code == 200 and len(app.streams.present()) == MOST_EACH + 1
        late.close()
    finally:
        for answer in opened:
            answer.close()
    assert not app.streams.present()


# Reports


def report(who, kind, target, **more):
    return who.post("/reports", {"target_type": kind, "target": target, "reason": "spam", **more})


def test_reports_of_a_crowd_hide_nothing(app, film, town, anonymous):
    for who in town.some(12):
        assert report(who, "video", film, details=TEXT).status_code == 201
    assert anonymous.get(f"/videos/{film}").status_code == 200


def test_same_thing_is_reported_once_by_each(film, town):
    (who,) = town.some(1)
    answers = at_once([lambda: report(who, "video", film)] * 8)
    assert sorted({answer.status_code for answer in answers}) == [201, 409]
    assert [answer.status_code for answer in answers].count(201) == 1
    assert report(who, "video", film).json["reason"] == "already_reported"


def test_report_is_decided_by_moderators_with_a_note_reporters_do_not_see(film, town, carol, alice):
    (who,) = town.some(1)
    made = report(who, "video", film).json["_id"]
    for stranger in (who, alice):
        refused(stranger.post(f"/reports/{made}/accept"), 403, 404)
    assert carol.post(f"/reports/{made}/accept", {"note": "A note " + TEXT}).json["state"] == "accepted"
    refused(carol.post(f"/reports/{made}/accept"), 409)
    refused(carol.post(f"/reports/{made}/reject"), 409)
    seen = who.get(f"/reports/{made}").json
    assert seen["state"] == "accepted" and "note" not in seen and "decided_by" not in seen
    refused(alice.get(f"/reports/{made}"), 404)
    assert carol.post(f"/reports/{made}/reopen").json["state"] == "open"
    assert made in ids(walk(carol, '/reports?where={"state":"open"}&sort=_id'))


def test_what_one_cannot_read_one_cannot_report(studio, town):
    (who,) = town.some(1)
    for film in (studio.film("private"), studio.deleted(), "f" * 24):
        refused(report(who, "video", film), 404, 422)
        refused(report(who, "comment", film), 404, 422)


@pytest.mark.parametrize(
    "body",
    [
        {"target_type": "playlist"},
        {"reason": "bored"},
        {"details": "x" * 10_000},
        {"state": "accepted"},
        {"reporter": "f" * 24},
        {"note": "x"},
        {"target": None},
        {"target": {"a": 1}},
    ],
)
def test_odd_report_is_refused(film, town, body):
    (who,) = town.some(1)
    refused(who.post("/reports", {"target_type": "video", "target": film, "reason": "spam", **body}), 422)


def test_block_of_a_film_is_a_moderators_and_takes_it_out_of_sight(
    app, film, alice, bob, carol, anonymous, studio
):
    for who, expected in ((alice, 403), (bob, 403), (anonymous, 401)):
        refused(who.post(f"/admin/videos/{film}/block"), expected)
    assert carol.post(f"/admin/videos/{film}/block", {"reason": TEXT}).json["status"] == "BLOCKED"
    for who in (anonymous, bob):
        refused(who.get(f"/videos/{film}"), 404)
        assert film not in who.get(f"/channels/{studio.channel}/videos?max_results=100").text
    assert alice.get(f"/videos/{film}").json["status_detail"]["message"] == TEXT
    refused(alice.post(f"/admin/videos/{film}/unblock"), 403)
    refused(alice.post(f"/videos/{film}/upload"), 409, 400, 415)
    refused(carol.post(f"/admin/videos/{film}/block"), 409)
    assert carol.post(f"/admin/videos/{film}/unblock").json["status"] == "READY"
    assert anonymous.get(f"/videos/{film}").status_code == 200
    refused(carol.post(f"/admin/videos/{film}/unblock"), 409)
    refused(carol.post(f"/admin/videos/{'f' * 24}/block"), 404)


def test_counters_are_verified_by_admins_alone(app, film, bob, carol, dana):
    for who in (bob, carol):
        refused(who.post("/admin/counters/verify"), 403)
    app.services.db.videos.update_one({"_id": ObjectId(film)}, {"$set": {"counters.likes": 41}})
    job = dana.post("/admin/counters/verify", {"fix": True}).json["job"]
    run_job(ObjectId(job), app.services, app.store)
    drift = dana.get(f"/jobs/{job}").json["result"]["drifts"]
    assert [(one["id"], one["stored"], one["counted"], one["fixed"]) for one in drift] == [
        (film, 41, 0, True)
    ]
    assert list(verify(app.store, settle=0.01)) == []


# Events


def test_private_subscription_is_told_to_nobody(app, stage, town, later):
    """The list of subscribers hides who wants to be hidden; the event log must not tell instead."""
    host, studio, _ = stage
    shy, bold = town.newcomer(), town.newcomer()
    hook = host.post("/webhooks", {"url": "https://example.org/hook"}).json["_id"]
    shy.put(f"/channels/{studio.channel}/subscription", {"visibility": "private"})
    bold.put(f"/channels/{studio.channel}/subscription", {"visibility": "public"})
    later()
    for path in ("/events?max_results=100", f"/webhooks/{hook}/deliveries?max_results=100"):
        text = host.get(path).text
        assert "subscriptions.created" in text and str(bold.user["_id"]) in text
        assert str(shy.user["_id"]) not in text


def test_events_are_replayed_in_order_without_gap_for_their_owner_alone(stage, town, later):
    host, studio, film = stage
    for who in town.some(5):
        comment(who, film)
    later()
    every = walk(host, "/events?max_results=3")
    numbers = [one["seq"] for one in every]
    assert numbers == sorted(numbers) and len(set(numbers)) == len(numbers)
    rest = walk(host, f"/events?after={numbers[2]}&max_results=3")
    assert [one["seq"] for one in rest] == numbers[3:]
    stranger = town.newcomer()
    assert walk(stranger, "/events?after=0") == []
    refused(stranger.get(f"/events/{every[0]['_id']}"), 404)
    assert host.get(f"/events/{every[0]['_id']}").json["_etag"] == every[0]["_etag"]
    for after in ("x", "-", "1e3", "99999999999999999999999", "null", "{}"):
        refused(host.get(f"/events?after={after}"), 400)
