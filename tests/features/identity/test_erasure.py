"""Whoever leaves takes along everything personal: markers in every field, searched for wherever they were copied to."""

import logging

import pytest

import tasks.all  # noqa: F401  registers every job
from features.discovery.common_word_jobs import note_common_words
from features.discovery.trending_jobs import compute_trending
from machine.edge.cache import GENERATION_SECONDS, LONGEST_ENTRY
from machine.jobs.tidy_jobs import tidy
from tests.audience import make_channel, make_comment, make_video
from tests.conftest import PASSWORD, sign_up
from tests.erasure import canaries, fill, search, ties, traces_of, unzip, work
from tests.factory import marker
from tests.identity import token_in

# Where the id of somebody who left may stand, and why; docs/decisions/erasure.md says the same.
ID_STAYS = {
    *[("audit_log", field) for field in ("actor", "target")],  # who did it, without a name
    *[("comments", field) for field in ("author", "reply_to", "mentions")],  # threads of others
    *[("jobs", field) for field in ("subject", "owner", "key", "payload")],  # the ledger forgets
    *[("pending_counts", field) for field in ("_id", "parent")],  # half a minute
    *[("refresh_tokens", field) for field in ("_id", "user")],  # hashes, so that their return is noticed
    *[("events", field) for field in ("subject", "data")],  # what happened to others' things, for 30 days
    ("webhook_deliveries", "payload"),  # the same
    ("events", "was"),  # the same: whom a text mentioned before it was changed
    ("notifications", "actor"),  # 90 days
    ("reports", "target"),  # what was decided about the account
}
# Seconds after which what Redis keeps of answers is gone: the answers, and the names of what they were built from.
GONE_WITHIN = {"entry": LONGEST_ENTRY, "tag": GENERATION_SECONDS}


class Ear(logging.Handler):
    """Keeps everything that is logged."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.heard = []

    def emit(self, record):
        self.heard.append((record.name, f"{record.getMessage()} {record.__dict__}"))


def live(app, zoe, erin, bob, texts):
    """Do everything by which a text is copied."""
    db = app.services.db
    webhook = {"url": "https://example.invalid/hook", "events": [], "owner": erin.user["_id"], "active": True}
    app.store.insert("webhooks", webhook)
    assert (
        zoe.patch("/me", {"display_name": texts["name"], "settings": {"digest": "daily"}}).status_code == 200
    )
    video = make_video(erin)
    comment = make_comment(zoe, video, f"{texts['comment']} @bob")
    for path in (
        f"/comments/{comment}",
        f"/videos/{video}/comments?embedded=author",
        f"/users/@{texts['user']}",
    ):
        assert bob.get(path).status_code == 200
        assert erin.app.test_client().get(f"/api/v1{path}").status_code == 200
    make_comment(bob, video, "an answer", parent=comment)
    assert (
        zoe.patch(f"/comments/{comment}", {"text": f"{texts['comment']} {texts['edit']}"}).status_code == 200
    )
    report = {"target_type": "video", "target": video, "reason": "spam", "details": texts["details"]}
    assert zoe.post("/reports", report).status_code == 201
    channel = make_channel(zoe)
    make_video(zoe, channel, title=f"{texts['title']} film")
    assert bob.put(f"/channels/{channel}/subscription", {"level": "all"}).status_code == 200
    make_video(zoe, channel, title=f"{texts['title']} film two")
    assert bob.get(f"/search?q={texts['title']}").status_code == 200
    kept = {"Idempotency-Key": "once"}
    assert zoe.post("/playlists", {"title": texts["playlist"]}, headers=kept).status_code == 201
    draft = zoe.post("/videos", {"channel": channel, "title": "x"})
    wish = {"mode": "resumable", "bytes": 10, "filename": f"{texts['file']}.mp4", "content_type": "video/mp4"}
    assert zoe.post(f"/videos/{draft.json['_id']}/uploads", wish).status_code == 201
    erin.post("/auth/login", {"login": texts["user"], "password": "not the one at all"})
    erin.post("/auth/forgot", {"email": f"{texts['user']}@example.org"})
    assert zoe.post("/me/verify-email").status_code == 202
    for word in (texts["mail"], texts["later"]):
        address = {"email": f"{word}@example.org", "password": PASSWORD}
        assert zoe.post("/me/email", address).status_code == 202
        work(app)
        *_, letter = [one for one in app.services.mail.filed() if word in one["To"]]
        assert zoe.post("/auth/verify-email", {"token": token_in(letter)}).status_code < 300
    claimed = {"email": f"{texts['claim']}@example.org", "password": PASSWORD}
    assert zoe.post("/me/email", claimed).status_code == 202
    work(app)
    job = zoe.post("/me/export").json["job"]
    work(app)
    archive = zoe.get(f"/me/export/{job}")
    assert archive.status_code == 200 and texts["comment"] in unzip(archive.data).decode()
    assert db["webhook_deliveries"].count_documents({"payload.data.text": {"$regex": texts["comment"]}})
    assert db["idempotency_keys"].count_documents({"state": "done"})


@pytest.fixture(scope="module")
def left(app, erin, bob):
    """A person's whole life and departure: what there was to find, and where it was found before and after."""
    names = (
        "user",
        "name",
        "comment",
        "edit",
        "details",
        "title",
        "playlist",
        "file",
        "mail",
        "later",
        "claim",
    )
    texts, ear = {name: marker(name) for name in names}, Ear()
    logging.getLogger().addHandler(ear)
    try:
        zoe = sign_up(app, texts["user"])
        live(app, zoe, erin, bob, texts)
        made = fill(app, zoe, erin)
        known = canaries(app, zoe) | {
            texts[one]: ("api", one) for one in ("user", "name", "file", "mail", "later", "claim", "edit")
        }
        # Kept answers end within a minute, and the way here may take longer.
        assert app.test_client().get(f"/api/v1/users/@{texts['user']}").status_code == 200
        before = search(app, known)
        assert zoe.delete("/me", json={"password": PASSWORD}).status_code == 204
        work(app)
        tidy(app.store, young=-5)
        note_common_words(app.store)
        compute_trending(app.store)
    finally:
        logging.getLogger().removeHandler(ear)
    return zoe, known, made, before, search(app, known), ear.heard


def declared_to_stay(app):
    """Return {(resource, field)} of the texts that their declaration says stay (`pii: False`)."""
    return {
        (resource.name, field)
        for resource in app.registry
        for field, words in resource.definition["policy"].get("fields", {}).items()
        if words.get("pii") is False
    }


def test_person_wrote_into_every_resource_that_has_room(app, left, record_property):
    _, known, made, before, _, _ = left
    met = {resource for resource, _ in known.values()}
    assert made == len(list(ties(app.registry))) >= 20
    personal = {resource.name for resource in app.registry if resource.personal}
    assert personal <= met | {"users", "watch_history"}, personal - met
    places = {" ".join(place.split()[:2]) for place in before}
    assert {
        "mongo events",
        "mongo webhook_deliveries",
        "mongo reports",
        "mongo uploads",
        "mongo jobs",
    } <= places
    assert {"mongo users", "mongo credentials", "redis entry"} <= places and any(
        "file mail" in p for p in places
    )
    record_property("markers", len(known))
    record_property("places", len(places))


def test_nothing_personal_is_left_anywhere(app, left):
    _, known, _, _, after, _ = left
    stays = declared_to_stay(app)
    wrong = {}
    for place, words in after.items():
        kind, name, *life = place.split()
        # A kept answer is stale since the departure and gone in minutes; nobody is served it.
        if kind == "redis" and 0 < int(life[0]) <= GONE_WITHIN.get(name, 0):
            continue
        found = {
            word: known[word]
            for word in words
            if not (kind == "mongo" and known[word][0] == name and known[word] in stays)
        }
        found = {
            w: at for w, at in found.items() if not (at == ("api", "edit") and place == "mongo comments")
        }
        if found:
            wrong[place] = found
    assert wrong == {}


def test_what_others_built_on_stays(app, left):
    _, known, _, _, after, _ = left
    assert declared_to_stay(app) == {("comments", "text")}
    assert any(known[word] == ("comments", "text") for word in after.get("mongo comments", ()))


def test_id_stays_only_where_it_is_said(app, left):
    zoe = left[0]
    assert traces_of(app, zoe.user["_id"]) <= ID_STAYS


def test_reports_keep_their_decision_without_the_reporter(app, left):
    zoe, *_ = left
    assert app.services.db["reports"].count_documents({"reporter": zoe.user["_id"]}) == 0
    nobody = list(app.services.db["reports"].find({"reporter": None}))
    assert len(nobody) == 2 and {one["details"] for one in nobody} == {None}
    assert {one["reason"] for one in nobody} <= {"spam"} and all(one["state"] == "open" for one in nobody)


def test_no_log_names_the_person(left):
    _, known, _, _, _, heard = left
    told = {(word, name == "access") for name, line in heard for word in known if word in line}
    names = {word for word, at in known.items() if at == ("api", "user")}
    # The access log holds the addresses that were asked for, `/users/@name` among them; docs/decisions/erasure.md.
    assert {word for word, _ in told} <= names and all(access for _, access in told)


def test_no_answer_of_the_person_is_kept_for_repeats(app, left):
    zoe, *_ = left
    assert app.services.db["idempotency_keys"].count_documents({"user": zoe.user["_id"]}) == 0
    assert app.services.db["exports.files"].count_documents({"metadata.user": zoe.user["_id"]}) == 0
