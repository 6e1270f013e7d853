"""What is kept beside a document goes with it."""

from bson import ObjectId

from machine.jobs.tidy_jobs import tidy
from tests.audience import make_video


def test_password_outlives_its_video_only_until_the_next_tidying(app, alice):
    kept, gone = make_video(alice), make_video(alice)
    for video in (kept, gone):
        alice.put(f"/videos/{video}/password", {"password": "open sesame"})
    app.store.erase("videos", app.store.get("videos", ObjectId(gone)))

    assert tidy(app.store) == 0, "it may belong to what is only being written"
    assert tidy(app.store, young=-5) == 1

    left = [one["_id"] for one in app.services.db["video_passwords"].find()]
    assert left == [ObjectId(kept)]
