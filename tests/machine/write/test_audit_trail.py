"""What is done by virtue of a role is in the audit log: each deed once, and neither without the other."""

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from tests.audience import make_channel, make_comment, make_video


@pytest.fixture
def video(alice):
    return make_video(alice)


@pytest.fixture
def entries(app):
    """Return a function that lists what the log says of a target."""

    def read(target):
        return list(app.services.db["audit_log"].find({"target.id": ObjectId(target)}).sort("_id", 1))

    return read


def test_deletion_by_a_moderator_is_in_the_log_and_ones_own_is_not(bob, carol, video, entries):
    theirs, own = make_comment(bob, video), make_comment(bob, video)
    answer = carol.delete(f"/comments/{theirs}")
    assert answer.status_code == bob.delete(f"/comments/{own}").status_code == 204
    (entry,) = entries(theirs)
    assert (entry["action"], entry["actor"]) == ("comments_deleted", carol.user["_id"])
    assert entry["target"]["resource"] == "comments"
    assert entry["request_id"] == answer.headers["X-Request-Id"]
    assert entries(own) == []


def test_rejected_comment_is_in_the_log_without_its_text(bob, carol, video, entries):
    comment = make_comment(bob, video, "a text that is nobody's business")
    assert carol.post(f"/comments/{comment}/reject").status_code == 200
    (entry,) = entries(comment)
    assert entry["action"] == "comments_changed"
    assert entry["detail"] == {"fields": ["status"], "status": "rejected"}


def test_change_of_anothers_video_is_in_the_log(alice, carol, video, entries):
    assert alice.patch(f"/videos/{video}", {"title": "mine"}).status_code == 200
    assert entries(video) == []
    assert carol.patch(f"/videos/{video}", {"title": "yours"}).status_code == 200
    (entry,) = entries(video)
    assert (entry["action"], entry["detail"]["fields"]) == ("videos_changed", ["title", "title_key"])


def test_moderators_own_things_are_not_deeds(app, carol, video):
    before = app.services.db["audit_log"].count_documents({"actor": carol.user["_id"]})
    channel = make_channel(carol)
    own = make_video(carol, channel=channel)
    comment = make_comment(carol, video)
    assert carol.put(f"/videos/{video}/like").status_code == 200
    assert carol.patch(f"/videos/{own}", {"title": "new"}).status_code == 200
    assert carol.delete(f"/comments/{comment}").status_code == 204
    assert app.services.db["audit_log"].count_documents({"actor": carol.user["_id"]}) == before


def test_host_who_is_a_moderator_acts_as_host(app, bob, carol, entries):
    comment = make_comment(bob, make_video(carol))
    assert carol.delete(f"/comments/{comment}").status_code == 204
    assert entries(comment) == []


def test_block_on_the_site_is_in_the_log(bob, carol, entries):
    made = carol.post("/blocks", {"scope": "site", "user": str(bob.user["_id"])})
    assert made.status_code == 201, made.json
    assert [entry["action"] for entry in entries(made.json["_id"])] == ["site_blocked"]
    assert carol.delete(f"/blocks/{made.json['_id']}").status_code == 204
    assert [entry["action"] for entry in entries(made.json["_id"])] == ["site_blocked", "site_unblocked"]


def test_blocked_video_has_one_entry_with_its_reason(carol, video, entries):
    assert carol.post(f"/admin/videos/{video}/block", {"reason": "It breaks rule 4."}).status_code == 200
    (entry,) = entries(video)
    assert (entry["action"], entry["detail"]) == ("video_blocked", {"message": "It breaks rule 4."})


def test_privilege_has_an_entry_of_its_own(dana, erin, entries):
    path = f"/users/{erin.user['_id']}"
    assert dana.patch(path, {"role": "moderator"}).status_code == 200
    assert dana.patch(path, {"role": "user"}).status_code == 200
    told = [(entry["action"], entry["detail"]) for entry in entries(erin.user["_id"])]
    assert told[-2:] == [
        ("role_changed", {"from": "user", "to": "moderator"}),
        ("role_changed", {"from": "moderator", "to": "user"}),
    ]


@pytest.mark.parametrize("deed", ["block", "role"])
def test_deed_whose_entry_cannot_be_written_is_not_done(app, carol, dana, erin, video, monkeypatch, deed):
    def refuse(*_, **__):
        raise AutoReconnect("no log, no deed")

    monkeypatch.setattr("machine.write.audit.record", refuse)
    if deed == "block":
        assert carol.post(f"/admin/videos/{video}/block").status_code == 503
        assert app.store.get("videos", ObjectId(video))["status"] == "READY"
    else:
        assert dana.patch(f"/users/{erin.user['_id']}", {"role": "admin"}).status_code == 503
        assert app.store.get("users", erin.user["_id"])["role"] == "user"
