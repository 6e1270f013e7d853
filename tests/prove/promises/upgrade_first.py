"""What the first version of the schemas wrote is read and written by this one, during `db migrate` and afterwards."""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import requests
from bson import json_util
from pymongo import IndexModel

from machine.counters.recount import verify
from machine.declare.indexes import missing_indexes
from tests.patience import patience
from tests.platform import PASSWORD, ROOT, poll
from tests.prove.row import Row
from tests.prove.world import World

FIXTURE = Path(__file__).parents[1] / "fixtures" / "first_version.json"
PROMISE = "Data of the first version is served throughout `db migrate`, and is right afterwards"
PARTS = ("beat", "worker", "api", "api2")
# What the first version had not: until its index is there it may be refused in order.
NEW = ["/search?q=fox", "/feed/home", "/feed/trending"]


def run(quick):
    kept = json_util.loads(FIXTURE.read_text())
    with tempfile.TemporaryDirectory() as folder, World(folder, parts=PARTS) as world:
        rows = [upgrade(world, kept) for _ in range(1 if quick else 2)]
    worst = next((row for row in rows if not row.ok), rows[-1])
    return Row(
        PROMISE, worst.done, len(rows), sum(row.lost for row in rows), worst.figure, worst.ok, worst.notes
    )


def go_back(world, kept):
    """Put the database where the first version left it: its documents, its indexes, nothing else."""
    for name in world.db.list_collection_names():
        if name != "signing_keys":
            world.db.drop_collection(name)
    for name, indexes in kept["indexes"].items():
        models = [
            IndexModel([tuple(key) for key in plain(one.pop("key"))], name=index, **text_options(one))
            for index, one in ((index, dict(one)) for index, one in indexes.items())
        ]
        if models:
            world.db[name].create_indexes(models)
        if documents := kept["documents"].get(name):
            world.db[name].insert_many(documents)
    world.services.redis.flushall()


def plain(keys):
    """Return an index's keys as they were declared: MongoDB shows those of texts in another form."""
    return [["title", "text"] if key[0] == "_fts" else key for key in keys if key[0] != "_ftsx"]


def text_options(options):
    """Return the options with which an index is built again."""
    return {name: value for name, value in options.items() if name not in ("language_override",)}


def upgrade(world, kept):
    """Migrate under reads at both instances, and compare."""
    go_back(world, kept)
    before = answers(world)
    stop, reads, wrong = threading.Event(), [0], []
    readers = [threading.Thread(target=read, args=(world, n, before, stop, reads, wrong)) for n in range(4)]
    for reader in readers:
        reader.start()
    poll(lambda: reads[0] > 50, 30, "readers at work")
    began = time.monotonic()
    migrate = [sys.executable, "run.py", "db", "migrate"]
    ended = subprocess.run(migrate, cwd=ROOT, env=world.environ, capture_output=True, text=True, check=False)
    took, goal = time.monotonic() - began, reads[0] + 50
    poll(lambda: reads[0] > goal, 30, "reads after it")
    stop.set()
    for reader in readers:
        reader.join()
    wrong = wrong[:3] + ([] if ended.returncode == 0 else [ended.stderr[-300:]])
    absent = missing_indexes(world.store)
    wrong += [f"missing {absent}"] * bool(absent)
    drifts = [(d.resource, d.counter, d.stored, d.counted) for d in verify(world.store, settle=0.01)]
    wrong += [f"counters {drifts[:3]}"] * bool(drifts)
    lost = [f"{name}: {one['_id']}" for name, documents in kept["documents"].items() for one in documents
            if not world.db[name].find_one({"_id": one["_id"]}, {"_id": 1})]  # fmt: skip
    wrong += [f"gone {lost[:3]}"] * bool(lost) + use(world, kept)
    figure = f"{reads[0]:,} reads, all 200 and the same; migrated in {took:.1f} s: {ended.stdout.strip()}"
    done = f"{sum(map(len, kept['documents'].values()))} documents and the indexes of commit e872ab4, read meanwhile"
    return Row(PROMISE, done, 1, len(lost), figure, not wrong, "; ".join(map(str, wrong)))


def paths(world):
    """Return what is read: lists, documents, what hangs below them, searches."""
    found = ["/videos", "/channels", "/videos?sort=-published_at&max_results=3"]
    for film in world.db.videos.find({"visibility": "public", "status": "READY"}, {"_id": 1}):
        found += [
            f"/videos/{film['_id']}",
            f"/videos/{film['_id']}/comments",
            f"/videos/{film['_id']}/related",
        ]
    for channel in world.db.channels.find():
        found += [f"/channels/{channel['_id']}", f"/channels/@{channel['handle']}"]
        found += [f"/channels/{channel['_id']}/videos", f"/channels/{channel['_id']}/subscribers"]
    found += [f"/playlists/{one['_id']}/items?embedded=video" for one in world.db.playlists.find()]
    return found


def answers(world):
    """Return what each path answers, which must be 200."""
    found = {}
    for path in paths(world):
        answer = requests.get(f"{world.base}/api/v1{path}", timeout=patience(20))
        if answer.status_code != 200:
            raise AssertionError(f"{path}: {answer.status_code} {answer.text[:300]}")
        found[path] = answer.json()
    return found


def unplaced(answer):
    """Return an answer without the places of its items: the migration gives them, in the order that was."""
    for item in answer.get("_items", ()):
        item.pop("position", None)
    return answer


def read(world, number, before, stop, reads, wrong):
    """Read one path after the other, and compare with what was answered before."""
    http, turn = requests.Session(), number
    while not stop.is_set():
        for path, told in [*before.items(), *((path, None) for path in NEW)]:
            turn += 1
            answer = http.get(f"{world.bases[turn % 2]}/api/v1{path}", timeout=patience(20))
            reads[0] += 1
            if answer.status_code != 200:
                if told or answer.status_code != 503 or "Retry-After" not in answer.headers:
                    wrong.append(f"{path}: {answer.status_code}")
            elif told and unplaced(answer.json()) != unplaced(told):
                wrong.append(f"{path} changed")
            if stop.is_set():
                return


def use(world, kept):
    """Sign in with the old passwords and change what is old, each in its way; return what went wrong."""
    body = {"login": "alice", "password": PASSWORD}
    signed = requests.post(f"{world.base}/api/v1/auth/login", json=body, timeout=patience(20))
    if signed.status_code != 200:
        return [f"login {signed.status_code}"]
    head = {"Authorization": f"Bearer {signed.json()['access_token']}"}
    alice = world.db.users.find_one({"username": "alice"})["_id"]
    mine = world.db.videos.find_one({"owner": alice, "status": "READY", "visibility": "public"})["_id"]
    draft = world.db.videos.find_one({"owner": alice, "status": "DRAFT"})["_id"]
    comment = world.db.comments.find_one({"author": alice})["_id"]
    items = list(world.db.playlist_items.find({"owner": alice}).sort("_id", 1))
    change = {**head, "If-Match": "*"}
    asked = [
        ("PATCH", f"/videos/{mine}", {"title": "Renamed"}, change),
        (
            "PATCH",
            f"/channels/{world.db.channels.find_one({'owner': alice})['_id']}",
            {"name": "Anew"},
            change,
        ),
        ("PATCH", f"/comments/{comment}", {"text": "Changed"}, change),
        ("PATCH", "/me", {"display_name": "Alice"}, change),
        ("PUT", f"/videos/{mine}/like", {"value": -1}, head),
        ("DELETE", f"/videos/{mine}/like", None, head),
        ("POST", "/comments", {"video": str(mine), "text": "New"}, head),
        ("POST", f"/comments/{comment}/replies", {"text": "A reply"}, head),
        ("POST", f"/playlist_items/{items[-1]['_id']}/move", {"after": None}, head),
        ("POST", f"/videos/{mine}/unpublish", None, head),
        ("POST", f"/videos/{mine}/publish", None, head),
        ("DELETE", f"/videos/{draft}", None, change),
        *(("GET", path, None, head) for path in [*NEW, "/search/suggestions?q=film"]),
        ("GET", "/watch_history", None, head),
        ("GET", "/likes", None, head),
    ]
    wrong = []
    for method, path, sent, headers in asked:
        answer = requests.request(
            method, f"{world.base}/api/v1{path}", json=sent, headers=headers, timeout=patience(20)
        )
        if answer.status_code >= 300:
            wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:160]}")
        elif "suggestions" in path and "Film" not in answer.text:
            wrong.append("the old films are not suggested")
    playlist = items[0]["playlist"]
    shown = requests.get(f"{world.base}/api/v1/playlists/{playlist}/items", timeout=patience(20)).json()[
        "_items"
    ]
    order = [one["_id"] for one in shown]
    if order != [str(items[-1]["_id"]), *(str(one["_id"]) for one in items[:-1])]:
        wrong.append(f"the playlist is out of order: {order}")
    try:
        poll(lambda: not list(verify(world.store, settle=0.01)), 15, "counters")
    except AssertionError:
        wrong.append(
            f"counters after use: {[(d.counter, d.stored, d.counted) for d in verify(world.store, settle=0.1)][:3]}"
        )
    return wrong
