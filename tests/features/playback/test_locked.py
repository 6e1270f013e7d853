"""What a password, an age restriction or a private mind keeps from others, on every way there is."""

import time

import pytest
from bson import ObjectId

from features.notices.digest_jobs import owe_digests
from features.playback import unlocking
from tests.studio import Studio, refused

PASSWORD = "open sesame"


@pytest.fixture
def locked(studio, alice):
    film = studio.film()
    assert alice.put(f"/videos/{film}/password", {"password": PASSWORD}).json["protected"] is True
    return film


def unlock(who, film, password=PASSWORD):
    return who.post(f"/videos/{film}/unlock", {"password": password})


@pytest.mark.parametrize("path", ["playback", "download"])
def test_locked_film_is_for_nobody_without_its_key(app, locked, bob, anonymous, path):
    app.store.change("videos", {"_id": ObjectId(locked)}, set={"downloads": True})
    for who in (bob, anonymous):
        for key in (
            "",
            "?unlock=",
            "?unlock=x",
            "?unlock=99999999999.x",
            "?unlock=²",
            "?unlock=1.2.3",
            "?unlock=.",
            "?unlock=%00",
        ):
            assert refused(who.get(f"/videos/{locked}/{path}{key}"), 403) == "locked"


def test_key_opens_its_own_film_until_it_expires(app, locked, studio, alice, bob):
    answer = unlock(bob, locked)
    assert answer.status_code == 200
    key = answer.json["unlock"]
    other = studio.film()
    alice.put(f"/videos/{other}/password", {"password": PASSWORD})
    assert refused(bob.get(f"/videos/{other}/playback?unlock={key}"), 403) == "locked"
    # Nothing was ever uploaded here; who gets past the lock is told that.
    assert bob.get(f"/videos/{locked}/playback?unlock={key}").json.get("reason") != "locked"
    expires, _, signature = key.partition(".")
    for forged in (
        f"{int(expires) + 1}.{signature}",
        f"{expires}.{signature[:-1]}",
        f"0{expires}.{signature}x",
        key.upper() + "A",
    ):
        assert refused(bob.get(f"/videos/{locked}/playback?unlock={forged}"), 403) == "locked"
    past = int(time.time()) - 1
    bond = unlocking.read_password(app.services, ObjectId(locked))["bond"]
    stale = f"{past}.{unlocking.sign(app.services, ObjectId(locked), past, bond)}"
    assert refused(bob.get(f"/videos/{locked}/playback?unlock={stale}"), 403) == "locked"


def test_new_password_ends_the_keys_of_the_old_one(locked, alice, bob):
    key = unlock(bob, locked).json["unlock"]
    alice.put(f"/videos/{locked}/password", {"password": "another one"})
    assert refused(bob.get(f"/videos/{locked}/playback?unlock={key}"), 403) == "locked"
    assert refused(unlock(bob, locked), 403) == "locked"
    assert unlock(bob, locked, "another one").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"password": ""},
        {"password": "x" * 10_000},
        {"password": None},
        {"password": {"a": 1}},
        {"password": ["a"]},
    ],
)
def test_odd_password_is_refused(locked, alice, bob, body):
    refused(bob.post(f"/videos/{locked}/unlock", body), 422)
    refused(alice.put(f"/videos/{locked}/password", body), 422)


def test_only_the_owner_sets_the_password_and_nobody_reads_it(locked, bob, carol, anonymous, alice):
    for who, expected in ((bob, 403), (anonymous, 401)):
        refused(who.put(f"/videos/{locked}/password", {"password": "mine now"}), expected)
        refused(who.delete(f"/videos/{locked}/password"), expected)
        refused(who.patch(f"/videos/{locked}", {"protected": False}), expected)
    refused(alice.patch(f"/videos/{locked}", {"protected": False}), 422)
    for who in (alice, bob, carol):
        assert (
            PASSWORD not in who.get(f"/videos/{locked}").text
            and "argon2" not in who.get(f"/videos/{locked}").text
        )


def test_private_film_cannot_be_unlocked(studio, alice, bob):
    film = studio.film("private")
    alice.put(f"/videos/{film}/password", {"password": PASSWORD})
    refused(unlock(bob, film), 404)


def test_age_restricted_film_asks_who_is_there(app, studio, bob, anonymous):
    film = studio.film(age_restricted=True)
    refused(anonymous.get(f"/videos/{film}/playback"), 401)
    assert bob.get(f"/videos/{film}/playback").status_code != 401


def test_download_is_not_there_unless_it_is_offered(film, bob):
    assert refused(bob.get(f"/videos/{film}/download"), 409) == "illegal_state"


def test_digest_names_no_film_that_its_reader_may_not_see(app, town, later):
    """Told of a film, and it was hidden before the letter was written."""
    host, reader = town.newcomer(), town.newcomer(email="digest@example.org", email_key="digest@example.org")
    studio = Studio(app, host)
    reader.put(f"/channels/{studio.channel}/subscription")
    assert reader.patch("/me", {"settings": {"digest": "daily"}}).status_code == 200
    films = [studio.film(title=title) for title in ("Shown to all", "Regretted secret")]
    own = Studio(app, reader).film("private", title="Of my own")
    later()
    host.post(f"/videos/{films[1]}/unpublish")
    assert owe_digests(app.store) == 1
    later()
    mails = {path: path.read_text() for path in app.services.mail.folder.glob("*.eml")}
    ((path, text),) = [(path, text) for path, text in mails.items() if "digest@example.org" in text]
    path.unlink()
    assert "Shown to all" in text and "Of my own" in text and own
    assert "Regretted secret" not in text
