"""Digests tell what is unread, each thing in one letter, whatever was undone or died meanwhile."""

from datetime import timedelta

import pytest

from clients import clock
from features.notices.digest_jobs import owe_digests
from tests.audience import make_comment, make_video, pass_on
from tests.conftest import sign_up
from tests.field_reports import reported


@pytest.fixture
def reader(app, name):
    """Somebody with a confirmed address who wants a daily digest."""
    reader = sign_up(app, name)
    app.store.change("users", {"_id": reader.user["_id"]}, set={"email": f"{name}@example.org"})
    assert reader.patch("/me", {"settings": {"digest": "daily"}}).status_code == 200
    reader.address = f"{name}@example.org"
    owe_digests(app.store)  # the first period begins
    pass_on(app)
    return reader


@pytest.fixture
def letter(app, reader):
    """Let a day pass and send the reader's digest; return its lines, none where there was no letter."""

    def send(hours=24):
        let_pass(app, hours)
        before = letters(app, reader)
        owe_digests(app.store)
        pass_on(app)
        new = letters(app, reader)[len(before) :]
        assert len(new) <= 1
        return [line[2:] for text in new for line in text.splitlines() if line.startswith("- ")]

    return send


def let_pass(app, hours):
    """Move what was sent and told into the past, as time does."""
    back = [{"$set": {"sent_at": {"$subtract": ["$sent_at", hours * 3600 * 1000]}}}]
    app.services.db["digests"].update_many({}, back)
    back = [{"$set": {"at": {"$subtract": ["$at", hours * 3600 * 1000]}}}]
    app.services.db["notice_parts"].update_many({}, back)
    back = [{"$set": {"happened_at": {"$subtract": ["$happened_at", hours * 3600 * 1000]}}}]
    app.services.db["notifications"].update_many({}, back)


def letters(app, reader):
    return [
        mail.get_content()
        for mail in app.services.mail.filed()
        if "want to know" in mail["Subject"] and mail["To"] == reader.address
    ]


@pytest.fixture
def film(app, reader):
    video = make_video(reader, title="My film")
    pass_on(app)
    reader.post("/me/notifications/read")
    return video


@reported(
    "Notices",
    "A letter counts again what the one before it told",
    sent="one comment, the daily letter, a second comment, the next letter",
    back="`1 new comments` in each of the two letters",
)
def test_each_letter_counts_only_what_is_new(app, reader, film, letter, alice, bob):
    make_comment(bob, film)
    pass_on(app)
    assert letter() == ["1 new comments under My film"]
    make_comment(alice, film)
    pass_on(app)
    assert letter() == ["1 new comments under My film"]
    assert letter() == []


def test_what_comes_while_a_letter_is_owed_is_in_one_letter(app, reader, film, letter, alice, bob):
    make_comment(bob, film)
    pass_on(app)
    let_pass(app, 24)
    assert owe_digests(app.store) >= 1
    make_comment(alice, film)
    assert letter(hours=0) == ["2 new comments under My film"]
    assert letter() == []


@reported(
    "Notices",
    "A digest with a title that is not ASCII is never sent",
    sent="a comment under a film named `Fjörd 東京`",
    back="the letter, with the title",
)
def test_letter_tells_a_title_in_any_script(app, reader, letter, bob):
    video = make_video(reader, title="Fjörd 東京")
    pass_on(app)
    reader.post("/me/notifications/read")
    make_comment(bob, video)
    pass_on(app)
    assert letter() == ["1 new comments under Fjörd 東京"]


def test_what_a_letter_could_not_be_sent_of_is_in_the_next(app, reader, film, letter, bob):
    make_comment(bob, film)
    pass_on(app)
    folder = app.services.mail.folder
    folder.mkdir(exist_ok=True)
    folder.rename(folder.with_name("kept"))
    folder.write_text("no folder: no letter can be filed")
    try:
        app.services.db["digests"].delete_many({})
        owe_digests(app.store)
        for _ in range(5):
            app.services.db["jobs"].update_many(
                {"state": "queued"}, {"$set": {"next_retry_at": clock.now() - timedelta(1)}}
            )
            pass_on(app)
    finally:
        folder.unlink()
        folder.with_name("kept").rename(folder)
    assert (
        app.services.db["jobs"].find_one({"type": "digest", "owner": reader.user["_id"]})["state"] == "dead"
    )
    assert letter() == ["1 new comments under My film"]


def test_turn_is_taken_together_with_the_job(app, reader, film, monkeypatch):
    """Whoever dies between the two would leave a period of which nobody is ever told."""
    app.services.db["digests"].delete_many({})

    def die(*_, **__):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(app.services.jobs, "record", die)
        with pytest.raises(SystemExit):
            owe_digests(app.store)
    assert app.services.db["digests"].count_documents({}) == 0


def test_what_was_undone_is_in_no_letter_and_what_came_back_is_in_one(app, reader, film, letter, bob, alice):
    comment = make_comment(bob, film)
    for deed, told in (("reject", 0), ("approve", 1), ("reject", 0), ("approve", 0)):
        pass_on(app)
        assert reader.post(f"/comments/{comment}/{deed}").status_code == 200
        pass_on(app)
        assert len(letter()) == told, deed
    assert alice.get(f"/videos/{film}").status_code == 200
