"""Grammar fuzzing of what we parse ourselves: filters, cursors, forms, resumable uploads, captions and pictures.

Whatever comes: never an error of ours, never half a second of work, always the one error body, and a refusal changes
nothing. FUZZ_EXAMPLES says how many examples each parser gets, a quarter of that where each example is several requests
or a whole upload; the report has 6,000, 15,000 requests in all.
"""

import io
import os
import time
from urllib.parse import urlencode

import pytest
from bson import ObjectId
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from features.playback.webvtt import BadCaptions, check_webvtt
from features.uploads.pictures import BadPicture, redraw
from tests.attacks import grammar
from tests.attacks.bombs import exif, jpeg
from tests.audience import make_channel, make_video
from tests.factory import DEFINITIONS

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
SECONDS = 0.5
# The short form tries the same each time, so that it never fails by chance.
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=EXAMPLES <= 300,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)
LONG = settings(FUZZ, max_examples=EXAMPLES if EXAMPLES <= 300 else max(300, EXAMPLES // 4))
pytestmark = [pytest.mark.timeout(1500), pytest.mark.filterwarnings("ignore:Generating overly large repr")]
PASSING = {"rate_limits", "idempotency_keys"}


@pytest.fixture(scope="module")
def channel(alice):
    return make_channel(alice)


@pytest.fixture(scope="module")
def places(alice, channel):
    video = make_video(alice, channel)
    alice.post(f"/videos/{video}/comments", {"text": "A comment"})
    for _ in range(3):
        make_video(alice, channel)
    return [f"/{name}" for name in DEFINITIONS] + [
        f"/channels/{channel}/videos",
        f"/videos/{video}/comments",
        "/search",
    ]


def state(app):
    """Return a fingerprint of everything in the database but what passes by itself."""
    names = [name for name in app.services.db.list_collection_names() if name not in PASSING]
    return app.services.db.command("dbHash", collections=names)["md5"]


def quick(call):
    """Return what a call returns; its CPU time is bounded, the best of three on a busy machine."""
    best = float("inf")
    for _ in range(3):
        began = time.thread_time()
        answer = call()
        best = min(best, time.thread_time() - began)
        if best < SECONDS:
            return answer
    raise AssertionError(f"{best:.2f} s of work")


def hold(answer):
    """Hold an answer against what all answers promise; tell whether it is a refusal."""
    assert answer.status_code < 500, answer.text[:500]
    if answer.status_code < 400:
        return False
    body = answer.json
    assert (
        answer.mimetype == "application/problem+json" and body["reason"] and body["title"] and body["detail"]
    )
    assert body["status"] == answer.status_code and body["request_id"] == answer.headers["X-Request-Id"]
    assert "Traceback" not in answer.text and "pymongo" not in answer.text
    return True


def encoded(parameters):
    return urlencode({name: value.encode("utf-8", "surrogatepass") for name, value in parameters.items()})


def test_filters_of_any_form_do_no_harm(app, alice, anonymous, dana, places, record_property):
    record_property("tried", EXAMPLES)
    before = state(app)

    @FUZZ
    @given(st.sampled_from(places), grammar.WHERE, grammar.OTHERS, st.sampled_from([alice, anonymous, dana]))
    def fuzz(place, where, others, client):
        hold(quick(lambda: client.get(place, query_string=encoded({"where": where, **others}))))

    fuzz()
    assert state(app) == before


def test_cursors_of_any_form_do_no_harm(app, alice, channel, places, record_property):
    record_property("tried", EXAMPLES)
    tokens = [
        answer.json["_links"][way]["href"].split("cursor=")[1]
        for place in ("/videos?", f"/channels/{channel}/videos?", "/videos?sort=-published_at&")
        for answer in [alice.get(f"{place}max_results=1")]
        for way in answer.json["_links"].keys() & {"next", "prev"}
    ]
    assert tokens
    before = state(app)

    @FUZZ
    @given(st.sampled_from(places), grammar.bent(st.sampled_from(tokens)), grammar.OTHERS)
    def fuzz(place, cursor, others):
        answer = quick(lambda: alice.get(place, query_string=encoded({**others, "cursor": cursor})))
        hold(answer)

    fuzz()
    assert state(app) == before


def new_video(app, alice, channel):
    values = {
        "channel": ObjectId(channel),
        "owner": alice.user["_id"],
        "title": "A film",
        "visibility": "private",
    }
    return app.store.insert("videos", values)["_id"]


def free(app, video):
    """Return what a refused upload must leave as it was."""
    found = app.store.get("videos", video)
    return found["status"], found.get("pending_media"), found.get("media"), found["title"]


def test_forms_of_any_shape_do_no_harm(app, alice, channel, record_property):
    record_property("tried", LONG.max_examples)
    videos = [new_video(app, alice, channel)]

    @LONG
    @given(grammar.forms(), grammar.FORM_HEADERS)
    def fuzz(form, headers):
        (kind, body), video = form, videos[-1]
        before = free(app, video)
        answer = quick(
            lambda: alice.call(
                "POST", f"/videos/{video}/upload", data=body, content_type=kind, headers=headers
            )
        )
        if hold(answer):
            assert free(app, video) == before
            assert not list(app.settings.spool_dir.glob("*.part"))
        else:
            assert answer.status_code == 202
            videos.append(new_video(app, alice, channel))
            for file in app.settings.spool_dir.glob("*.part"):
                file.unlink()

    fuzz()
    assert len(videos) > 1, "not one form was right"


def test_resumable_uploads_of_any_form_do_no_harm(app, alice, channel, record_property):
    record_property("tried", LONG.max_examples)
    videos, begun = [new_video(app, alice, channel)], [0]
    steps = st.lists(
        st.tuples(
            st.sampled_from(["POST", "PATCH", "PATCH", "HEAD", "DELETE"]),
            grammar.TUS_HEADERS,
            grammar.CONTENTS,
        ),
        min_size=1,
        max_size=4,
    )

    @LONG
    @given(steps, st.booleans())
    def fuzz(steps, right):
        video = videos[-1]
        path = begin_right(app, alice, videos) if right else f"/uploads/{'0' * 24}"
        begun[0] += right
        for method, headers, body in steps:
            url, data = (f"/videos/{video}/uploads", b"") if method == "POST" else (path, body)
            if method == "PATCH" and "Upload-Offset" not in headers:
                headers = {
                    "Tus-Resumable": "1.0.0",
                    "Content-Type": "application/offset+octet-stream",
                    "Upload-Offset": str(received(app, path)),
                    **headers,
                }
            sent = data if method in ("POST", "PATCH") else None
            answer = quick(lambda m=method, u=url, s=sent, h=headers: alice.call(m, u, data=s, headers=h))
            if answer.status_code == 201:
                path, begun[0] = answer.headers["Location"].partition("/api/v1")[2], begun[0] + 1
            if method != "HEAD":
                hold(answer)
            assert answer.status_code < 500
            safe(app, video)
        if app.store.get("videos", video)["status"] != "DRAFT":
            videos.append(new_video(app, alice, channel))

    fuzz()
    assert begun[0], "not one upload was begun"


def begin_right(app, alice, videos):
    answer = alice.post(
        f"/videos/{videos[-1]}/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "20000"}
    )
    if answer.status_code != 201:
        return f"/uploads/{'0' * 24}"
    return answer.headers["Location"].partition("/api/v1")[2]


def received(app, path):
    record = app.services.db["uploads"].find_one({"_id": ObjectId(path.rpartition("/")[2])})
    return record["received"] if record else 0


def safe(app, video):
    """Every byte that was acknowledged is on disk."""
    for record in app.services.db["uploads"].find({"video": video, "state": "open", "mode": "resumable"}):
        file = app.settings.spool_dir / f"{record['_id']}.part"
        assert file.stat().st_size >= record["received"] <= record["length"]


CAPTIONS = (
    "WEBVTT\n\n1\n00:01.000 --> 00:02.000 align:left\nx\n\nNOTE y\n\n01:00:00.000 --> 02:00:00.000\nz\n"
)


@FUZZ
@given(
    st.one_of(
        st.text(),
        grammar.bent(st.just(CAPTIONS), 6),
        st.lists(
            st.sampled_from(
                [
                    "WEBVTT",
                    "\n",
                    "\n\n",
                    "-->",
                    "00:01.000",
                    "99:59:59.999",
                    " ",
                    "\t",
                    "NOTE",
                    "\0",
                    "\r",
                    "٠٠:٠١.٠٠٠",
                    "\ufeff",
                    "\u2028",
                    "&lt;",
                    "<c>",
                ]
            ),
            max_size=200,
        ).map("".join),
    )
)
def test_captions_of_any_form_are_valid_or_refused(text):
    def check():
        try:
            return check_webvtt(text)
        except BadCaptions:
            return 0

    quick(check)


def pictures():
    """Return small pictures of each kind, to be bent."""
    made = [
        jpeg(80, 80),
        jpeg(80, 80, progressive=True),
        jpeg(80, 80, [(0xE1, exif(8, 4)), (0xE2, b"ICC_PROFILE\0\1\1" + bytes(99))]),
    ]
    for kind, mode in (("PNG", "RGBA"), ("PNG", "P"), ("PNG", "I;16"), ("WEBP", "RGB"), ("WEBP", "RGBA")):
        file = io.BytesIO()
        Image.new(mode, (80, 80)).save(file, kind)
        made.append(file.getvalue())
    return made


@pytest.mark.filterwarnings("ignore::Warning:PIL")
@FUZZ
@given(grammar.bent(st.sampled_from(pictures()), 6))
def test_pictures_of_any_form_are_drawn_or_refused(data):
    def draw():
        try:
            return redraw(data)
        except BadPicture:
            return b""

    quick(draw)
