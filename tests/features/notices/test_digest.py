"""E-mail digests: to those who asked, once a period, and only if there is something to say."""

from datetime import timedelta

import pytest

import features.notices.digest_jobs  # noqa: F401  registers the job
from clients import clock
from features.notices.digest_jobs import owe_digests
from tests.audience import make_comment, make_video, pass_on
from tests.conftest import sign_up


@pytest.fixture(scope="module")
def reader(app):
    """Somebody with a confirmed address who wants a daily digest."""
    reader = sign_up(app, "reader")
    app.store.change("users", {"_id": reader.user["_id"]}, set={"email": "reader@example.org"})
    assert reader.patch("/me", {"settings": {"digest": "daily"}}).status_code == 200
    return reader


def letters(app):
    return [
        mail
        for mail in app.services.mail.filed()
        if "want to know" in mail["Subject"] and mail["To"] == "reader@example.org"
    ]


def forget_last(app, days=2):
    app.services.db["digests"].update_many({}, {"$set": {"sent_at": clock.second() - timedelta(days=days)}})


def test_digest_tells_what_is_unread_once_a_period(app, alice, bob, reader):
    video = make_video(reader, title="My film")
    pass_on(app)
    make_comment(bob, video)
    make_comment(alice, video)
    pass_on(app)
    assert owe_digests(app.store) == 1
    assert owe_digests(app.store) == 0
    pass_on(app)
    (letter,) = letters(app)
    assert letter["To"] == "reader@example.org"
    assert "2 new comments under My film" in letter.get_content()


def test_nothing_unread_is_no_letter(app, reader):
    before = len(letters(app))
    reader.post("/me/notifications/read")
    forget_last(app)
    assert owe_digests(app.store) == 1
    pass_on(app)
    assert len(letters(app)) == before


def test_who_did_not_ask_gets_none(app, reader):
    reader.patch("/me", {"settings": {"digest": "off"}})
    forget_last(app)
    assert owe_digests(app.store) == 0


def test_other_settings_leave_the_digest_as_it_is(app, reader):
    reader.patch("/me", {"settings": {"digest": "weekly"}})
    reader.patch("/me", {"settings": {"history_paused": False}})
    settings = reader.get("/me").json["settings"]
    assert settings["digest"] == "weekly"
