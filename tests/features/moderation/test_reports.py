"""Reports and moderation: taken once, decided by people, never counted into a decision."""

import pytest
from bson import ObjectId

from machine.jobs.runner import run_job
from tests.audience import make_comment, make_video
from tests.conftest import sign_up


@pytest.fixture
def video(alice):
    return make_video(alice)


def report(client, target, target_type="video", reason="spam", **facts):
    return client.post("/reports", {"target_type": target_type, "target": target, "reason": reason, **facts})


def test_report_is_open_and_ones_own(alice, bob, video):
    made = report(bob, video, details="<b>look</b>").json
    assert (made["state"], made["details"]) == ("open", "<b>look</b>")
    assert bob.get(f"/reports/{made['_id']}").status_code == 200
    assert alice.get(f"/reports/{made['_id']}").status_code == 404


def test_same_thing_is_reported_once_by_one_user(bob, dana, video):
    assert report(bob, video).status_code == 201
    answer = report(bob, video, reason="hate")
    assert (answer.status_code, answer.json["reason"]) == (409, "already_reported")
    assert report(dana, video).status_code == 201


def test_anonymous_cannot_report(anonymous, video):
    assert report(anonymous, video).status_code == 401


@pytest.mark.parametrize("kind", ["comment", "channel", "user"])
def test_target_must_be_of_the_stated_type(bob, video, kind):
    assert report(bob, video, kind).status_code == 422


def test_what_one_cannot_see_cannot_be_reported(alice, bob):
    assert report(bob, make_video(alice, visibility="private")).status_code == 422
    assert report(bob, str(ObjectId())).status_code == 422


def test_comments_channels_and_users_can_be_reported(alice, bob, video):
    assert report(bob, make_comment(alice, video), "comment").status_code == 201
    assert report(bob, alice.get(f"/videos/{video}").json["channel"], "channel").status_code == 201
    assert report(bob, str(alice.user["_id"]), "user").status_code == 201


def test_no_number_of_reports_hides_anything(app, anonymous, video):
    for n in range(12):
        assert report(sign_up(app, f"crowd{n}"), video).status_code == 201
    assert anonymous.get(f"/videos/{video}").status_code == 200


def test_moderator_works_off_the_open_ones_oldest_first(bob, dana, carol, video):
    first, second = report(bob, video).json["_id"], report(dana, video).json["_id"]
    ids = [one["_id"] for one in carol.get('/reports?where={"state":"open"}&max_results=100').json["_items"]]
    assert ids.index(first) < ids.index(second)
    assert bob.get('/reports?where={"state":"open"}').status_code == 403


def test_decision_is_a_moderators_and_is_written_down(app, bob, carol, video):
    made = report(bob, video).json["_id"]
    assert bob.post(f"/reports/{made}/accept").status_code == 403
    decided = carol.post(f"/reports/{made}/accept", {"note": "clear"}).json
    assert (decided["state"], decided["note"]) == ("accepted", "clear")
    assert "note" not in bob.get(f"/reports/{made}").json
    assert carol.post(f"/reports/{made}/reject").status_code == 409
    assert app.services.db["audit_log"].find_one({"action": "report_accepted", "target.id": ObjectId(made)})


def test_decision_can_be_looked_at_again(bob, carol, video):
    made = report(bob, video).json["_id"]
    carol.post(f"/reports/{made}/reject")
    assert carol.post(f"/reports/{made}/reopen").json["state"] == "open"


def test_blocked_video_is_seen_by_owner_and_moderator_alone(alice, bob, carol, anonymous, video):
    assert bob.post(f"/admin/videos/{video}/block").status_code == 403
    assert alice.post(f"/admin/videos/{video}/block").status_code == 403
    assert carol.post(f"/admin/videos/{video}/block", {"reason": "It breaks rule 4."}).status_code == 200
    assert anonymous.get(f"/videos/{video}").status_code == bob.get(f"/videos/{video}").status_code == 404
    assert alice.get(f"/videos/{video}").json["status_detail"]["message"] == "It breaks rule 4."
    assert carol.post(f"/admin/videos/{video}/unblock").json["status"] == "READY"
    assert anonymous.get(f"/videos/{video}").status_code == 200


def test_owner_cannot_undo_a_block(alice, carol, video):
    carol.post(f"/admin/videos/{video}/block")
    for action in ("publish", "retry", "uploads"):
        assert alice.post(f"/videos/{video}/{action}", {}).status_code in (409, 415, 422)
    assert alice.get(f"/videos/{video}").json["status"] == "BLOCKED"


def test_unblocking_what_is_not_blocked_is_409(carol, video):
    assert carol.post(f"/admin/videos/{video}/unblock").status_code == 409


def test_counters_are_verified_by_administrators(app, alice, bob, carol, dana, video):
    bob.put(f"/videos/{video}/like", {"value": 1})
    app.services.db["videos"].update_one({"_id": ObjectId(video)}, {"$set": {"counters.likes": 7}})
    assert carol.post("/admin/counters/verify").status_code == 403
    answer = dana.post("/admin/counters/verify", {"fix": True})
    assert answer.status_code == 202 and answer.json["state"] == "queued"
    place = answer.headers["Location"].partition("/api/v1")[2]
    assert app.services.db["videos"].find_one({"_id": ObjectId(video)})["counters"]["likes"] == 7, "not yet"
    run_job(ObjectId(answer.json["job"]), app.services, app.store)
    done = dana.get(place).json
    assert done["state"] == "succeeded" and done["result"]["wrong"] == done["result"]["fixed"] >= 1
    for who in (alice, bob, carol):
        assert who.get(place).status_code == 404
    drifts = done["result"]["drifts"]
    mine = next(one for one in drifts if one["id"] == video and one["counter"] == "counters.likes")
    assert (mine["stored"], mine["counted"], mine["fixed"]) == (7, 1, True)
    assert alice.get(f"/videos/{video}").json["counters"]["likes"] == 1
