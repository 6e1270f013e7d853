"""Every way in which a credential ends, against everything that goes on for longer than a request: it ends too.

The table is `EXPECTED`; each cell is tried, and a route that lasts and is not in the table fails the last test.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from bson import ObjectId

from features.identity.signing_keys import KeyRing
from features.identity.tokens import AUDIENCE, TYPE
from features.playback.publish_jobs import publish_due
from features.uploads import process_jobs as process
from features.uploads.media_plan import Derived
from features.uploads.records import spool_of
from machine.jobs.job import TYPES, GiveUp, Run
from machine.jobs.runner import run_job
from machine.streams.asgi import StreamServer
from tests.audience import make_channel
from tests.conftest import PASSWORD, Client, sign_up
from tests.platform import SMALL_CLIP

FILM = SMALL_CLIP.read_bytes()
TUS = {"Tus-Resumable": "1.0.0"}
# A look a second, and what a busy machine takes for it.
SECONDS = 4.0
SCOPES = ["videos:read", "videos:write", "notifications:read", "notifications:write"]


class Holder:
    """Somebody with a session, and the credential under test: that session, or a key."""

    def __init__(self, app, name):
        self.app = app
        self.session = sign_up(app, name)
        self.id = ObjectId(self.session.user["_id"])
        self.video = self.session.post(
            "/videos", {"channel": make_channel(self.session), "title": "A film", "visibility": "public"}
        ).json["_id"]
        self.client = self.session

    def use_key(self):
        made = self.session.post("/api_keys", {"name": "k", "scopes": SCOPES})
        assert made.status_code == 201, made.json
        self.key = ObjectId(made.json["_id"])
        self.client = Client(self.app, made.json["key"], self.session.user)

    def sid(self):
        return ObjectId(jwt.decode(self.session.token, options={"verify_signature": False})["sid"])

    def pass_time(self, collection, id_):
        """Let the end of a session or key be now, and the copy that other processes may have be as old."""
        self.app.services.db[collection].update_one({"_id": id_}, {"$set": {"expires_at": datetime.now(UTC)}})
        self.app.services.redis.delete(f"auth:g:{id_}")


def log_out(holder):
    assert holder.session.post("/auth/logout").status_code == 204


def log_out_everywhere(holder):
    assert holder.session.post("/auth/logout-all").status_code == 204


def delete_session(holder):
    assert holder.session.delete(f"/sessions/{holder.sid()}").status_code == 204


def let_session_expire(holder):
    holder.pass_time("sessions", holder.sid())


def let_token_expire(holder):
    """The token was made to end a moment after the work began."""
    deadline = time.monotonic() + 10
    while holder.ends > time.time():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def delete_key(holder):
    assert holder.session.delete(f"/api_keys/{holder.key}").status_code == 204


def let_key_expire(holder):
    holder.pass_time("api_keys", holder.key)


def suspend(holder):
    store = holder.app.store
    assert store.change("users", {"_id": holder.id}, set={"status": "suspended"})


def erase(holder):
    holder.app.store.erase("users", holder.app.store.get("users", holder.id))


def promote(holder):
    assert holder.app.store.change("users", {"_id": holder.id}, set={"role": "moderator"})


def make_short_token(holder):
    """Replace the access token by one that ends in two seconds, as the last of its life."""
    key, private = KeyRing(holder.app.services.db, holder.app.settings).signing()
    now = int(time.time())
    holder.ends = now + 3
    claims = {
        "iss": holder.app.settings.public_url, "aud": AUDIENCE, "sub": str(holder.id), "sid": str(holder.sid()),
        "jti": "short", "iat": now, "nbf": now, "exp": holder.ends, "roles": ["user"],
    }  # fmt: skip
    token = jwt.encode(claims, private, algorithm="EdDSA", headers={"typ": TYPE, "kid": key.kid})
    holder.client = Client(holder.app, token, holder.session.user)


def nothing(holder):
    """The control: nothing ends, and the work goes on."""


# Each way: how the credential is made ready, what ends it.
WAYS = {
    "nothing": (None, nothing),
    "logout": (None, log_out),
    "logout_all": (None, log_out_everywhere),
    "session_deleted": (None, delete_session),
    "session_expired": (None, let_session_expire),
    "token_expired": (make_short_token, let_token_expire),
    "key_deleted": (Holder.use_key, delete_key),
    "key_expired": (Holder.use_key, let_key_expire),
    "suspended": (None, suspend),
    "suspended_with_key": (Holder.use_key, suspend),
    "erased": (None, erase),
    "role_changed": (None, promote),
}
ENDS = "ends"
GOES_ON = "goes on"
# What stays allowed although the credential changed: a long upload outlives one access token of its session, and a
# role that still uploads may finish. A stream is begun anew, so that it is checked by what the caller is now.
EXCEPTIONS = {
    ("uploads", "token_expired"): GOES_ON,
    ("uploads", "role_changed"): GOES_ON,
}


def expected(kind, way):
    if way == "nothing":
        return GOES_ON
    return EXCEPTIONS.get(("stream" if "stream" in kind else "uploads", way), ENDS)


def read_stream(holder, end):
    """Open a stream as a thread of the API sends it; say whether it ended by itself soon after."""
    http = holder.client.http
    headers = {"Authorization": f"Bearer {holder.client.token}"}
    answer = http.open("/api/v1/me/stream", headers=headers, buffered=False)
    assert answer.status_code == 200
    parts = iter(answer.response)
    next(parts)
    end(holder)
    deadline = time.monotonic() + SECONDS
    try:
        for _ in parts:
            if time.monotonic() > deadline:
                return GOES_ON
        return ENDS if time.monotonic() < deadline else GOES_ON
    finally:
        answer.close()


def read_served_stream(holder, end):
    """Open a stream as an event loop sends it (`run.py streams`); say whether it ended by itself soon after."""
    return asyncio.run(follow(StreamServer(holder.app, 100), holder, end))


async def follow(server, holder, end):
    begun, gone, sent = asyncio.Event(), asyncio.Event(), []

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)
        if message.get("body"):
            begun.set()

    token = f"Bearer {holder.client.token}".encode()
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/api/v1/me/stream",
        "query_string": b"", "headers": [(b"authorization", token)], "client": ("127.0.0.1", 1),
    }  # fmt: skip
    served = asyncio.create_task(server(scope, receive, send))
    await asyncio.wait_for(begun.wait(), SECONDS)
    assert sent[0]["status"] == 200
    await asyncio.get_running_loop().run_in_executor(None, end, holder)
    done, _ = await asyncio.wait([served], timeout=SECONDS)
    gone.set()
    await served
    return ENDS if done else GOES_ON


class Body:
    """A body whose second half comes after something has happened."""

    def __init__(self, content, meanwhile):
        self.parts = [content[: len(content) // 2], content[len(content) // 2 :]]
        self.meanwhile = meanwhile

    def read(self, size=-1):
        if not self.parts:
            return b""
        if len(self.parts) == 1 and self.meanwhile:
            happens, self.meanwhile = self.meanwhile, None
            happens()
        part = self.parts[0]
        piece, rest = (part, b"") if size < 0 else (part[:size], part[size:])
        self.parts = [rest, *self.parts[1:]] if rest else self.parts[1:]
        return piece

    def readline(self, size=-1):
        raise AssertionError("nobody reads films by lines")


def send(holder, method, path, content, end, kind, **headers):
    """Send a body; when half of it has come, the credential ends."""
    environ = {
        "wsgi.input": Body(content, lambda: end(holder)),
        "CONTENT_LENGTH": str(len(content)),
        "CONTENT_TYPE": kind,
    }
    return holder.client.call(method, path, headers=headers, environ_overrides=environ)


def send_form(holder, end):
    head = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="film.mp4"\r\n\r\n'
    content = head + FILM + b"\r\n--cut--\r\n"
    answer = send(
        holder, "POST", f"/videos/{holder.video}/upload", content, end, "multipart/form-data; boundary=cut"
    )
    return judge(holder, answer, 202)


def send_piece(holder, end):
    begun = holder.client.post(
        f"/videos/{holder.video}/uploads", headers={**TUS, "Upload-Length": str(len(FILM))}
    )
    assert begun.status_code == 201, begun.json
    path = begun.headers["Location"].partition("/api/v1")[2]
    kind = "application/offset+octet-stream"
    answer = send(holder, "PATCH", path, FILM, end, kind, **TUS, **{"Upload-Offset": "0"})
    return judge(holder, answer, 204)


def let_direct_arrive(holder, end):
    from features.uploads import direct_jobs as await_direct
    from features.uploads import records as uploads

    begun = holder.client.post(f"/videos/{holder.video}/uploads", {"mode": "direct", "bytes": len(FILM)})
    assert begun.status_code == 201, begun.json
    upload = uploads.find(holder.app.store, ObjectId(begun.headers["Location"].rpartition("/")[2]))
    end(holder)
    await_direct.arrive(holder.app.store, upload, len(FILM))
    return GOES_ON if status_of(holder) == "PROCESSING" else ENDS


def status_of(holder):
    return (holder.app.services.db["videos"].find_one({"_id": ObjectId(holder.video)}) or {}).get("status")


def judge(holder, answer, accepted):
    """Say what came of an upload, and hold what is left behind against it."""
    if answer.status_code == accepted:
        assert status_of(holder) == "PROCESSING"
        return GOES_ON
    assert answer.status_code in (401, 404, 409, 410), answer.data
    assert answer.json["reason"] in REFUSALS, answer.json
    assert status_of(holder) in ("DRAFT", "UPLOADING", None)
    if status_of(holder) != "UPLOADING":
        upload = holder.app.services.db["uploads"].find_one({"video": ObjectId(holder.video)})
        assert upload is None or not spool_of(holder.app.store).path(upload["_id"]).exists()
    return ENDS


REFUSALS = ("access_ended", "upload_ended", "gone", "upload_locked")
KINDS = {
    "stream": read_stream,
    "served_stream": read_served_stream,
    "form": send_form,
    "piece": send_piece,
    "direct": let_direct_arrive,
}


@pytest.fixture
def holder(app, name):
    return Holder(app, name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_what_goes_on_ends_with_the_credential(holder, way, kind):
    prepare, end = WAYS[way]
    if prepare:
        prepare(holder)
    assert KINDS[kind](holder, end) == expected(kind, way)


def test_everything_that_lasts_is_in_the_table(app):
    """A route that takes a body as it comes, or sends events, is tried above, or named here with why it need not be."""
    specs = [view.spec for view in app.view_functions.values() if hasattr(view, "spec")]
    lasting = {
        f"{one.method} {one.path}" for one in specs if one.stream or one.content == "text/event-stream"
    }
    tried = {
        "GET /api/v1/me/stream",
        "POST /api/v1/videos/<objectid:id_>/upload",
        "PATCH /api/v1/uploads/<objectid:id_>",
    }
    small = {
        # A few lines of JSON, at most BODY_MAX_BYTES; what it begins is tried as `piece` and `direct`.
        "POST /api/v1/videos/<objectid:id_>/uploads",
        # The media store's word, under a signature of its own: no credential of ours.
        "POST /api/v1/hooks/cloudinary",
        # One picture, read whole.
        "PUT /api/v1/videos/<objectid:id_>/thumbnail",
    }
    assert lasting == tried | small


def test_a_long_body_is_refused_before_it_has_all_come(holder):
    """Far from the end of a large upload: nobody waits for what will be refused."""
    content = FILM + bytes(24 * 1024 * 1024)
    begun = holder.client.post(
        f"/videos/{holder.video}/uploads", headers={**TUS, "Upload-Length": str(len(content))}
    )
    path = begun.headers["Location"].partition("/api/v1")[2]
    body = Body(content[:1000], lambda: None)
    body.parts = [content[: 9 * 1024 * 1024], content[9 * 1024 * 1024 :]]
    body.meanwhile = lambda: log_out(holder)
    environ = {"wsgi.input": body, "CONTENT_LENGTH": str(len(content)),
               "CONTENT_TYPE": "application/offset+octet-stream"}  # fmt: skip
    answer = holder.client.call(
        "PATCH", path, headers={**TUS, "Upload-Offset": "0"}, environ_overrides=environ
    )
    assert answer.status_code == 401, answer.status
    assert answer.json["reason"] == "access_ended"
    received = holder.app.services.db["uploads"].find_one({"video": ObjectId(holder.video)})["received"]
    assert received < len(content)


def test_who_signed_out_goes_on_with_a_resumable_upload_after_signing_in(app, holder):
    assert send_piece(holder, log_out) == ENDS
    assert status_of(holder) == "UPLOADING"
    username = holder.session.user["username"]
    signed_in = (
        Client(app).post("/auth/login", {"login": username, "password": PASSWORD}).json["access_token"]
    )
    again = Client(app, signed_in, holder.session.user)
    upload = app.services.db["uploads"].find_one({"video": ObjectId(holder.video)})
    path = f"/uploads/{upload['_id']}"
    offset = int(again.call("HEAD", path, headers=TUS).headers["Upload-Offset"])
    headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    assert again.call("PATCH", path, data=FILM[offset:], headers=headers).status_code == 204
    assert status_of(holder) == "PROCESSING"


def test_a_suspended_owners_film_is_not_published_by_what_was_on_its_way(app, holder):
    """It was being processed, or its moment came, while its owner was suspended: it fails, or stays, until then."""
    video = ObjectId(holder.video)
    videos = app.services.db["videos"]
    assert send_form(holder, nothing) == GOES_ON
    suspend(holder)
    job = app.services.db["jobs"].find_one({"type": "process", "subject.id": video})
    run_job(job["_id"], app.services, app.store)
    stored = videos.find_one({"_id": video})
    assert (stored["status"], stored["status_detail"]["code"]) == ("FAILED", "account_suspended")
    assert stored["status_detail"]["retryable"]
    planned = {
        "status": "READY",
        "visibility": "private",
        "publish_at": datetime.now(UTC) - timedelta(minutes=1),
    }
    videos.update_one({"_id": video}, {"$set": planned})
    publish_due(app.store)
    stored = videos.find_one({"_id": video})
    assert (stored["visibility"], stored["publish_at"], stored.get("published_at")) == ("private", None, None)


def test_a_film_whose_owner_is_suspended_at_the_very_end_is_not_published(app, holder):
    """Everything is done but the last transaction: it asks again."""
    assert send_form(holder, nothing) == GOES_ON
    found = app.services.db["jobs"].find_one({"type": "process", "subject.id": ObjectId(holder.video)})
    run = Run(app.services.jobs.claim(found["_id"], "me", 60), TYPES["process"], app.services, app.store)
    facts = {"duration": 1.0, "width": 2, "height": 2, "bytes": 3, "sha256": "0" * 64, "md5": "0" * 32}
    run.keep(facts=facts, storyboard=None)
    run.job["payload"] |= {"facts": facts, "storyboard": None}
    made = [Derived("hls", "hls", "sp_auto/m3u8", 2, 2)]
    video = process.current_video(run)
    suspend(holder)
    with pytest.raises(GiveUp, match="suspended"):
        process.finish(
            run, video, made, {"public_id": "x", "version": 1, "format": "mp4", "bytes": 3, "derived": {}}
        )
    assert status_of(holder) == "PROCESSING"
