"""Compare the files at Cloudinary with the database, both ways, and delete what belongs to nothing, in two phases."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from clients import clock
from clients.metrics import MISSING_MEDIA
from machine.jobs.job import Run, job
from machine.jobs.periodic import every
from machine.write.store import Store
from settings import HOUR, Settings

# A run deletes at most this many: should the comparison itself be wrong, little is lost before somebody looks.
CAP = 200
KINDS = ("video", "image")
SAMPLE = 50
MISSING = {
    "code": "media_missing",
    "message": "The file of this video is no longer there. Upload it again.",
    "retryable": False,
}


@dataclass
class Report:
    """What a comparison found. `suspects` were seen for the first time and are deleted by a later run."""

    files: int = 0
    young: int = 0
    suspects: int = 0
    deleted: int = 0
    capped: int = 0
    missing: int = 0
    dry_run: bool = False
    names: list[str] = field(default_factory=list)
    missing_names: list[str] = field(default_factory=list)


@every("reconcile_seconds")
def owe_reconcile(store: Store) -> None:
    """Record one comparison per interval."""
    interval = store.services.settings.reconcile_seconds
    number = int(clock.now().timestamp() // interval)
    store.services.jobs.owe("reconcile", {"resource": None, "id": None}, f"reconcile:{number}")


@job("reconcile", attempts=3)
def reconcile_job(run: Run) -> None:
    """Compare, and keep the report."""
    reconcile(run.store, run.check)


def least_age(settings: Settings) -> timedelta:
    """Return the age below which a file may belong to something that is still on its way."""
    return timedelta(seconds=settings.upload_deadline_seconds + settings.process_deadline_seconds + HOUR)


def reconcile(store: Store, check: Any = lambda: None, dry_run: bool = False) -> Report:
    """Compare both ways; without `dry_run`, have deleted what two runs in a row found to belong to nothing."""
    report = Report(dry_run=dry_run)
    began = clock.now()
    found: dict[str, set[str]] = {}
    for kind in KINDS:
        found[kind] = set()
        for name, created in store.services.media.names(f"{store.services.settings.media_prefix}/", kind):
            check()
            found[kind].add(name)
            report.files += 1
            judge(store, report, kind, name, read_time(created), began)
    note_missing(store, report, found["video"])
    if not dry_run:
        store.services.db["orphans"].delete_many({"seen_at": {"$lt": began}})
        store.services.db["reconciliations"].insert_one({"at": began, **asdict(report)})
    return report


def judge(store: Store, report: Report, kind: str, name: str, created: datetime, began: datetime) -> None:
    """Decide about one file: known, too young, suspect, or an orphan since an earlier run."""
    if is_known(store, name):
        return
    if began - created < least_age(store.services.settings):
        report.young += 1
        return
    key = f"{kind}:{name}"
    earlier = store.services.db["orphans"].find_one({"_id": key})
    report.names += [name] if len(report.names) < SAMPLE else []
    if earlier is None:
        report.suspects += 1
    elif report.deleted >= CAP:
        report.capped += 1
    else:
        report.deleted += 1
        if not report.dry_run:
            delete(store, kind, name)
    if not report.dry_run:
        values = {"$set": {"seen_at": clock.now()}, "$setOnInsert": {"first_seen": began}}
        store.services.db["orphans"].update_one({"_id": key}, values, upsert=True)


def is_known(store: Store, name: str) -> bool:
    """Tell whether a file belongs to a video, an upload under way, or a deletion that is recorded."""
    parts = name.removeprefix(f"{store.services.settings.media_prefix}/").split("/")
    if len(parts) != 2:
        return False
    if parts[0] == "incoming":
        upload = store.services.db["uploads"].find_one({"_id": as_id(parts[1])})
        return upload is not None and upload["state"] != "ended"
    video = store.get("videos", as_id(parts[0]) or ObjectId("0" * 24)) or {}
    pending = video.get("pending_media") or {}
    names = {(video.get("media") or {}).get("public_id"), (video.get("cover") or {}).get("public_id")}
    return name in names or str(pending.get("version")) == parts[1]


def delete(store: Store, kind: str, name: str) -> None:
    """Record the deletion of a file that belongs to nothing."""
    payload = {"public_id": name, "resource_type": kind}
    key = f"delete_media:{kind}:{name}:orphan:{clock.now():%Y%m%d%H%M%S}"
    store.services.jobs.owe("delete_media", {"resource": "videos", "id": None}, key, payload)


def note_missing(store: Store, report: Report, found: set[str]) -> None:
    """Tell owners and operators of READY videos whose file is not there, and take back what is true no more."""
    for video in ready_videos(store):
        name = video["media"]["public_id"]
        told = (video.get("status_detail") or {}).get("code") == MISSING["code"]
        # A file may have come after the list was read; each is asked for by name, some of very many.
        is_there = name in found or (
            report.missing < SAMPLE and store.services.media.look_up(name) is not None
        )
        if not is_there:
            report.missing += 1
            report.missing_names += [name] if len(report.missing_names) < SAMPLE else []
        if not report.dry_run and told == is_there:
            tell_owner(store, video, None if is_there else report)
    if not report.dry_run:
        MISSING_MEDIA.set(report.missing)


def tell_owner(store: Store, video: dict[str, Any], report: Report | None) -> None:
    """Write on a video that its file is missing, if `report` lists it; without one, take it back."""
    match = {"_id": video["_id"], "status": "READY", "media.public_id": video["media"]["public_id"]}
    if report is None:
        match |= {"status_detail.code": MISSING["code"]}
        store.change("videos", match, set={"status_detail": None})
    elif video["media"]["public_id"] in report.missing_names:
        # What else was being said, of an upload that failed, is less than this.
        told = {**MISSING, "since": clock.now(), "deadline": None}
        store.change("videos", match, set={"status_detail": told})


def ready_videos(store: Store) -> Iterator[dict[str, Any]]:
    """Yield every READY video that has a file."""
    ready = {"status": "READY", "media.public_id": {"$exists": True}}
    yield from store.collection("videos").find(ready, {"media.public_id": 1, "status_detail": 1})


def as_id(text: str) -> ObjectId | None:
    """Return the id that a name spells, if it does."""
    return ObjectId(text) if ObjectId.is_valid(text) else None


def read_time(text: str) -> datetime:
    """Read a time as Cloudinary writes it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
