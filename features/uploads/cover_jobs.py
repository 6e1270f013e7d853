"""Give a video the thumbnail that its owner chose: a picture that they sent, or one from the film."""

from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from features.uploads.deletion_jobs import owe_deletion
from machine.jobs.job import GiveUp, Run, Wait, job
from machine.write.store import Store

LOOK_AGAIN_SECONDS = 2.0
MOST_LOOKS = 60
# The picture is stored as it was drawn; the smallest transformation gives its URL the form that tokens cover.
EAGER = "c_limit,w_1280/jpg"


def owe_cover(store: Store, video: dict[str, Any], payload: dict[str, Any]) -> dict[str, Any]:
    """Record a job for a new thumbnail, and return it."""
    number = str(ObjectId())
    subject = {"resource": "videos", "id": video["_id"]}
    key, payload = f"cover:{video['_id']}:{number}", {**payload, "number": number}
    return store.services.jobs.owe("cover", subject, key, payload, owner=video["owner"])


@job("cover")
def cover(run: Run) -> None:
    """Store the picture, or have it cut from the film, then show it."""
    video = run.store.get("videos", run.subject_id)
    if video is None or not video.get("media"):
        raise GiveUp("gone", "The video is gone.")
    if "image" in run.payload:
        name = f"{run.services.settings.media_prefix}/{video['_id']}/cover-{run.payload['number']}"
        stored = run.services.media.store_image(run.payload["image"], name)
        picture = {"public_id": name, "version": stored["version"], "eager": EAGER}
        show(run, video, {"cover": picture})
    else:
        still = cut(run, video)
        show(run, video, {"cover": None, "thumbnails": [*video["thumbnails"][:-1], still]})


def cut(run: Run, video: dict[str, Any]) -> dict[str, Any]:
    """Have a picture made from the film at a time; Wait until it is there."""
    media, large = run.services.media, video["thumbnails"][-1]
    steps = [step for step in large["eager"].rpartition("/")[0].split(",") if not step.startswith("so_")]
    eager = ",".join(sorted([*steps, f"so_{run.payload['at']:.2f}"])) + "/jpg"
    media.derive(video["media"]["public_id"], [eager])
    found = media.look_up(video["media"]["public_id"]) or {}
    for one in found.get("derived", []):
        if f"{one['transformation']}/{one['format']}" == eager:
            return {**large, "eager": eager, "bytes": one.get("bytes", 0)}
    if run.job["waits"] >= MOST_LOOKS:
        raise GiveUp("render_failed", "The picture could not be made. Choose another moment.")
    raise Wait(LOOK_AGAIN_SECONDS)


def show(run: Run, video: dict[str, Any], values: dict[str, Any]) -> None:
    """Show the new picture and record the deletion of the old one, if the file is still the same."""
    media_id = video["media"]["public_id"]

    def swap(session: ClientSession) -> None:
        before = run.store.get("videos", video["_id"], session)
        match = {"_id": video["_id"], "media.public_id": media_id}
        if before is None or run.store.change("videos", match, set=values, session=session) is None:
            new = values.get("cover")
            if new:
                owe_deletion(run, new["public_id"], session, "image")
            return
        if before.get("cover"):
            owe_deletion(run, before["cover"]["public_id"], session, "image")

    run.finish(swap)
