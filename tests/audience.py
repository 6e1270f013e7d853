"""What the tests of engagement share: channels, videos that are READY, and the work that beat and workers would do."""

import secrets
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count

from bson import ObjectId
from pymongo import MongoClient
from pymongo.monitoring import CommandListener

from features.notices import survey_jobs  # noqa: F401  registers its jobs
from features.notices import webhook_jobs as deliver_webhooks  # noqa: F401  registers its jobs
from features.notices.relay_jobs import relay_events
from features.views.flush_jobs import flush_views
from machine.jobs.runner import run_job

# Later videos are newer by a second: the order of lists is that of creation.
SECONDS = count()
BIRTH = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
# What the worker notes of a stored film, as far as the routes look that lead to it.
FILE = {
    "media": {"public_id": "marquee/x", "version": 1, "format": "mp4", "bytes": 10},
    "renditions": [{"name": "720p", "width": 1280, "height": 720, "bytes": 10, "eager": "c_limit,h_720/mp4"}],
    "thumbnails": [{"name": "large", "eager": "c_fill,w_640/jpg"}],
    "hls": "sp_auto/m3u8",
    "duration": 60.0,
}

WAYS = {
    "DRAFT": [],
    "UPLOADING": ["UPLOADING"],
    "PROCESSING": ["UPLOADING", "PROCESSING"],
    "FAILED": ["UPLOADING", "PROCESSING", "FAILED"],
    "READY": ["UPLOADING", "PROCESSING", "READY"],
    "BLOCKED": ["UPLOADING", "PROCESSING", "READY", "BLOCKED"],
}


def make_channel(owner):
    handle = "c" + secrets.token_hex(6)
    answer = owner.post("/channels", {"handle": handle, "name": handle})
    assert answer.status_code == 201, answer.json
    return answer.json["_id"]


def make_video(owner, channel=None, visibility="public", duration=60.0, **facts):
    """Make a video and bring it to READY as the worker does; return its id."""
    body = {"channel": channel or make_channel(owner), "title": "A title", "visibility": visibility, **facts}
    answer = owner.post("/videos", body)
    assert answer.status_code == 201, answer.json
    store, id_ = owner.app.store, ObjectId(answer.json["_id"])
    published = BIRTH + timedelta(seconds=next(SECONDS)) if visibility == "public" else None
    make_ready(store, id_, duration=duration, published_at=published)
    return answer.json["_id"]


def make_ready(store, id_, **facts):
    """Take a DRAFT to READY as the worker does; return it as stored."""
    return bring_to(store, id_, "READY", **facts)


def bring_to(store, id_, status, **facts):
    """Take a DRAFT to a state on the way that videos go, with a file where it has one; return it as stored."""
    match = {"_id": id_}
    for state in WAYS[status]:
        more = (FILE if state == "READY" else {}) | (facts if state == status else {})
        assert store.move("videos", match, "status", state, set=more), state
    return store.get("videos", id_) if WAYS[status] else store.change("videos", match, set=facts)


def make_watchable(owner, **facts):
    """Make a video that has pictures too; return its id."""
    video = make_video(owner, **facts)
    return video


def make_comment(author, video, text="A comment", **facts):
    answer = author.post(f"/videos/{video}/comments", {"text": text, **facts})
    assert answer.status_code == 201, answer.json
    return answer.json["_id"]


def counters(client, path):
    answer = client.get(path)
    assert answer.status_code == 200, answer.json
    return answer.json["counters"]


def pass_on(app):
    """Do what beat and the workers would do with what has happened."""
    while relay_events(app.store):
        pass
    for _ in range(3):
        for job in list(app.services.db["jobs"].find({"state": "queued"}).sort("_id", 1)):
            run_job(job["_id"], app.services, app.store)


def latest_event(app):
    """Return the number of the latest event that was passed on."""
    newest = app.services.db["events"].find_one({"relayed_at": {"$ne": None}}, sort=[("seq", -1)])
    return newest["seq"] if newest else 0


def pass_on_again(app, after):
    """Pass on what came after a number once more, as when the relay dies before it can mark it."""
    app.services.db["events"].update_many({"seq": {"$gt": after}}, {"$set": {"relayed_at": None}})
    app.services.db["jobs"].update_many({"type": "survey_notices"}, {"$set": {"state": "queued"}})
    pass_on(app)


def flush(app):
    flush_views(app.store)


def walk(client, path, most=50):
    """Read a list to its end; return its items and the number of its pages."""
    items, pages = [], 0
    while path:
        answer = client.get(path)
        assert answer.status_code == 200, answer.json
        items += answer.json["_items"]
        path = answer.json["_links"].get("next", {}).get("href")
        pages += 1
        assert pages < most
    return items, pages


class Commands(CommandListener):
    """Notes the reads that reach MongoDB."""

    def __init__(self):
        self.reads = []

    def started(self, event):
        if event.command_name in ("find", "aggregate", "getMore", "count", "distinct"):
            self.reads.append((event.command_name, event.command.get(event.command_name)))

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


@contextmanager
def watched(app):
    """Put a client that notes its reads in the place of the application's; yield the notes."""
    commands, kept = Commands(), app.services.mongo
    counting = MongoClient(app.settings.mongo_uri, event_listeners=[commands], tz_aware=True, w="majority")
    app.services.__dict__.update(mongo=counting, db=counting[app.settings.database])
    try:
        yield commands
    finally:
        app.services.__dict__.update(mongo=kept, db=kept[app.settings.database])
        counting.close()


def reads_of(app, client, path):
    """Return the reads that a page costs once it has been asked for before, but is not remembered."""
    assert client.get(path).status_code == 200
    app.cache.clear()
    with watched(app) as commands:
        assert client.get(path).status_code == 200
    return commands.reads


def explain(collection, **command):
    """Return the (stage, index) pairs of the plan that MongoDB takes."""
    plan = collection.database.command("explain", command, verbosity="queryPlanner")
    return list(stages_of(plan.get("queryPlanner", {}).get("winningPlan", plan)))


def stages_of(plan):
    """Yield (stage, index) of every stage in a plan."""
    if isinstance(plan, dict):
        if "stage" in plan:
            yield plan["stage"], plan.get("indexName")
        for inner in plan.values():
            yield from stages_of(inner)
    elif isinstance(plan, list):
        for inner in plan:
            yield from stages_of(inner)
