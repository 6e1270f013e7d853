"""Make an upload into a video: probe it, store it at Cloudinary, wait for what is made of it, and show it."""

import logging
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from clients.media import MediaRefused
from clients.media_chunks import Sending
from features.identity import is_active
from features.uploads.deletion_jobs import owe_deletion
from features.uploads.media_plan import Derived, plan
from features.uploads.probe import DEMUXERS, Unfit, probe
from features.uploads.records import detail, end_record, find, keep_for_retry, spool_of
from features.uploads.sheet_jobs import store_fetched_sheet, store_sheet
from machine.jobs.job import GiveUp, Run, Wait, job
from settings import PREFIX

log = logging.getLogger(__name__)
# The webhook says when the renderings are done; these looks are for the case that it never comes.
LOOK_AGAIN_SECONDS = (5, 10, 15, 20, 30, 45, 60, 90, 120)
FORMATS = {ending.lstrip(".") for ending in DEMUXERS}


def fail_video(run: Run, error: dict[str, Any], session: ClientSession) -> None:
    """Write the reason on the video; keep the bytes only where a retry can use them."""
    store, payload = run.store, run.payload
    match = {"_id": run.subject_id, "pending_media.version": payload["media_version"]}
    kept = bool(error.get("retryable")) and payload["mode"] != "direct"
    told = {**detail(error["code"], error["message"], store), "retryable": kept}
    failed = store.move(
        "videos", match, "status", "FAILED", session=session,
        set={"status_detail": told, "pending_media.state": "FAILED"} if kept
        else {"status_detail": told, "pending_media": None},
    )  # fmt: skip
    if failed is None:
        # A READY video keeps playing its old file; only the new one is lost.
        told["retryable"] = kept = False
        store.change("videos", match, set={"status_detail": told, "pending_media": None}, session=session)
    if not kept:
        end_record(store, payload["upload"], session)
        owe_deletion(run, name_of(run), session)
        if payload["mode"] == "direct":
            owe_deletion(run, run.services.media.incoming_id(payload["upload"]), session)
        run.after_end.append(lambda: spool_of(store).remove(payload["upload"]))
    else:
        keep_for_retry(store, payload["upload"], session)


@job("process", attempts=5, on_failure=fail_video)
def process(run: Run) -> None:
    """Take one upload as far as it goes now."""
    video = current_video(run)
    if "facts" not in run.payload:
        run.progress("probing", 5)
        run.keep(facts=examine_stored(run) if run.payload["mode"] == "direct" else examine_file(run))
    made = [Derived(**one) for one in run.payload["facts"]["plan"]]
    if "stored" not in run.payload:
        store_file(run, made)
    if "storyboard" not in run.payload and run.payload["mode"] != "direct":
        run.keep(storyboard=store_sheet(run))
    found = wait_for(run, made)
    if "storyboard" not in run.payload:
        run.keep(storyboard=store_fetched_sheet(run, made, found))
    run.progress("finishing", 95)
    finish(run, video, made, found)


def current_video(run: Run) -> dict[str, Any]:
    """Return the video if it still wants this upload."""
    video = run.store.get("videos", run.subject_id)
    pending = (video or {}).get("pending_media") or {}
    if video is None or pending.get("version") != run.payload["media_version"]:
        raise GiveUp("superseded", "The video is gone, or another upload has taken this one's place.")
    require_active(run, video["owner"])
    return video


def require_active(run: Run, owner: ObjectId, session: ClientSession | None = None) -> None:
    """Stop here while the owner is suspended: nothing of theirs becomes public. The file is kept for a retry."""
    if not is_active(run.store, owner, session):
        raise GiveUp("account_suspended", "The account of its owner is suspended.", retryable=True)


def name_of(run: Run) -> str:
    """Return the public id of this upload's file."""
    return run.services.media.public_id(run.subject_id, run.payload["media_version"])


def examine_file(run: Run) -> dict[str, Any]:
    """Probe the received file and plan what to make of it."""
    path = spool_of(run.store).path(run.payload["upload"])
    if not path.exists():
        raise GiveUp("file_lost", "The received file is no longer there. Upload it again.")
    try:
        facts = probe(path, run.services.settings.upload_max_seconds, run.check)
    except Unfit as reason:
        raise GiveUp(reason.code, reason.message) from reason
    declared = run.payload.get("sha256")
    if declared and declared != facts.sha256:
        raise GiveUp("digest_mismatch", "The file received is not the file that was sent. Upload it again.")
    planned = [one.as_dict() for one in plan(facts.width, facts.height, facts.duration)]
    return {"duration": facts.duration, "width": facts.width, "height": facts.height, "bytes": facts.bytes,
            "sha256": facts.sha256, "md5": facts.md5, "plan": planned}  # fmt: skip


def examine_stored(run: Run) -> dict[str, Any]:
    """Check a file that the client sent to Cloudinary itself, by what Cloudinary measured."""
    media, settings = run.services.media, run.services.settings
    found = media.look_up(media.incoming_id(run.payload["upload"])) or media.look_up(name_of(run))
    if found is None:
        raise GiveUp("file_lost", "The uploaded file is no longer there. Upload it again.")
    if found["bytes"] > settings.upload_max_bytes:
        raise GiveUp("file_too_large", f"The file is larger than {settings.upload_max_bytes} bytes.")
    declared = (find(run.store, run.payload["upload"]) or {}).get("length", found["bytes"])
    if found["bytes"] != declared:
        raise GiveUp(
            "size_mismatch", f"{declared} bytes were declared, {found['bytes']} arrived. Upload it again."
        )
    if not found.get("width") or found.get("is_audio"):
        raise GiveUp("no_video_stream", "The file has no picture. Upload a file with a video track.")
    if found.get("duration", 0) > settings.upload_max_seconds:
        raise GiveUp("too_long", f"The video is longer than {settings.upload_max_seconds:g} seconds.")
    if found.get("format") not in FORMATS:
        raise GiveUp(
            "not_a_video", "This is not a video file we accept. Upload an MP4, MOV, WebM, MKV or AVI file."
        )
    planned = [one.as_dict() for one in plan(found["width"], found["height"], found["duration"])]
    return {"duration": found["duration"], "width": found["width"], "height": found["height"],
            "bytes": found["bytes"], "sha256": None, "md5": found.get("etag"), "plan": planned}  # fmt: skip


def store_file(run: Run, made: list[Derived]) -> None:
    """Put the file at Cloudinary under its final name, and ask for its derived files."""
    eager = [one.eager for one in made]
    try:
        answer = adopt(run, eager) if run.payload["mode"] == "direct" else send(run, eager)
    except MediaRefused as error:
        log.warning("job %s: refused: %s", run.job["_id"], error)
        raise GiveUp(
            "media_refused", "The media store does not accept this file. Export it again as MP4."
        ) from error
    kept = {
        name: answer[name] for name in ("public_id", "version", "format", "bytes", "etag") if name in answer
    }
    run.keep(stored=kept)


def adopt(run: Run, eager: list[str]) -> dict[str, Any]:
    """Move a direct upload out of its owner's reach: the form that they hold stays valid for an hour."""
    media = run.services.media
    incoming = media.incoming_id(run.payload["upload"])
    if media.look_up(incoming) is not None:
        media.rename(incoming, name_of(run))
    return media.derive(name_of(run), eager)


def send(run: Run, eager: list[str]) -> dict[str, Any]:
    """Send the file, unless an earlier attempt did and never learned it: the MD5 proves what is there."""
    media = run.services.media
    if run.payload.get("sending"):
        there = media.look_up(name_of(run))
        if there and there.get("etag") == run.payload["facts"]["md5"]:
            media.derive(name_of(run), eager)
            return there

    def note(sending: Sending, share: float) -> None:
        run.check()
        run.keep(sending=vars(sending))
        run.progress("storing", 10 + int(share * 40))

    path, begun = spool_of(run.store).path(run.payload["upload"]), run.payload.get("sending")
    answer = media.store(
        path, name_of(run), eager, note, Sending(**begun) if isinstance(begun, dict) else None
    )
    if answer.get("etag") and answer["etag"] != run.payload["facts"]["md5"]:
        raise GiveUp("digest_mismatch", "The file was damaged on its way to the media store.", retryable=True)
    return answer


def wait_for(run: Run, made: list[Derived]) -> dict[str, Any]:
    """Return what Cloudinary made; Wait while some of it is missing."""
    found = run.services.media.look_up(name_of(run))
    if found is None:
        raise GiveUp("file_lost", "The stored file is no longer there. Upload it again.")
    # Some answers repeat the format at the end of the transformation.
    there = {
        (one["transformation"].removesuffix(f"/{one['format']}"), one["format"]): one
        for one in found.get("derived", [])
        if one.get("format")
    }
    missing = [one for one in made if (one.transformation, one.format) not in there]
    if missing:
        share = 1 - len(missing) / len(made)
        run.progress("rendering", 50 + int(share * 45))
        broken = set(run.payload.get("broken", ()))
        if broken & {one.transformation for one in missing}:
            raise GiveUp(
                "render_failed", "The video could not be converted. Export it again as MP4 and upload it."
            )
        raise Wait(LOOK_AGAIN_SECONDS[min(run.job["waits"], len(LOOK_AGAIN_SECONDS) - 1)])
    return {**found, "derived": there}


def finish(run: Run, video: dict[str, Any], made: list[Derived], found: dict[str, Any]) -> None:
    """Make the new file the video's file, and record the deletion of the old one, in one transaction."""
    facts = run.payload["facts"]
    values = {
        "media": media_of(run, found),
        "pending_media": None,
        "status_detail": None,
        "duration": facts["duration"],
        "width": facts["width"],
        "height": facts["height"],
        "renditions": [shown(one, found) for one in made if one.kind == "mp4"],
        "thumbnails": [shown(one, found) for one in made if one.kind == "still"],
        "thumbnail": f"{PREFIX}/videos/{video['_id']}/thumbnail",
        "storyboard": run.payload["storyboard"],
        "hls": next(one.eager for one in made if one.kind == "hls"),
    }

    def swap(session: ClientSession) -> None:
        match = {"_id": video["_id"], "pending_media.version": run.payload["media_version"]}
        before = run.store.get("videos", video["_id"], session)
        after = run.store.move("videos", match, "status", "READY", set=values, session=session)
        if after is None:  # a file that replaces another, or a video that was blocked meanwhile
            after = run.store.change("videos", match, set=values, session=session)
        if before is None or after is None:
            raise GiveUp("superseded", "The video is gone, or another upload has taken this one's place.")
        require_active(run, after["owner"], session)
        end_record(run.store, run.payload["upload"], session)
        run.after_end.append(lambda: spool_of(run.store).remove(run.payload["upload"]))
        old = (before.get("media") or {}).get("public_id")
        if old and old != values["media"]["public_id"]:
            owe_deletion(run, old, session)

    run.finish(swap)


def media_of(run: Run, found: dict[str, Any]) -> dict[str, Any]:
    """Describe the stored file."""
    facts = run.payload["facts"]
    checksum = f"sha-256:{facts['sha256']}" if facts["sha256"] else f"md5:{facts['md5']}"
    return {
        "public_id": found["public_id"], "version": found["version"], "format": found["format"],
        "bytes": found["bytes"], "duration": facts["duration"], "width": facts["width"],
        "height": facts["height"], "etag": found.get("etag"), "checksum": checksum,
    }  # fmt: skip


def shown(one: Derived, found: dict[str, Any]) -> dict[str, Any]:
    """Describe a derived file as it is stored on the video."""
    size = found["derived"][one.transformation, one.format].get("bytes", 0)
    return {"name": one.name, "width": one.width, "height": one.height, "format": one.format, "bytes": size,
            "eager": one.eager}  # fmt: skip
