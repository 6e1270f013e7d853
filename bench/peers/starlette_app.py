"""The peer: Starlette, pymongo's asynchronous client and orjson, under the same server as Marquee."""

import os
from datetime import UTC, datetime
from typing import Any

import jwt
import orjson
from bson import ObjectId
from pymongo import AsyncMongoClient
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PAGE = 25
# What nobody is shown; Marquee's declarations say, so that both leave out the same.
HIDDEN = dict.fromkeys(os.environ.get("HIDDEN", "deleted_at").split(","), 0)
SECRETIVE = ("media", "status_detail", "publish_at")
LISTED = {"visibility": "public", "status": "READY", "deleted_at": None}
NEWEST = [("published_at", -1), ("_id", -1)]
state: dict[str, Any] = {}


def db() -> Any:
    """Return the database, connected on first use in this process."""
    if "db" not in state:
        state["db"] = AsyncMongoClient(
            os.environ["MONGO_URI"], maxPoolSize=40, tz_aware=True
        ).get_default_database()
        state["redis"] = Redis.from_url(os.environ["REDIS_URL"])
    return state["db"]


def answer(found: Any, status: int = 200) -> Response:
    """Render with orjson."""
    return Response(orjson.dumps(found, default=str), status, media_type="application/json")


async def authenticate(request: Request) -> dict[str, Any]:
    """Check the token and that its session and user are still good."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        claims = jwt.decode(token, os.environ["PEER_SECRET"], algorithms=["HS256"], audience="peer")
    except jwt.PyJWTError as error:
        raise HTTPException(401) from error
    db()
    session, user = await state["redis"].mget([f"peer:session:{claims['sid']}", f"peer:user:{claims['sub']}"])
    if scheme != "Bearer" or not session or not user or not orjson.loads(user)["active"]:
        raise HTTPException(401)
    return {"id": ObjectId(claims["sub"]), **orjson.loads(user)}


def page(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Wrap a page."""
    return {"_items": rows[:PAGE], "_links": {}, "_meta": {"max_results": PAGE}}


async def list_videos(request: Request) -> Response:
    """Answer the newest videos; with the channel where asked, and what the owner may see where signed in."""
    caller = await authenticate(request) if "authorization" in request.headers else None
    hidden = {name: 0 for name in HIDDEN if not (caller and name in SECRETIVE)}
    rows = await db()["videos"].find(LISTED, hidden, sort=NEWEST).limit(PAGE + 1).to_list()
    if caller and caller["role"] == "user":
        for row in rows:
            for name in SECRETIVE if row["owner"] != caller["id"] else ():
                row.pop(name, None)
    if request.query_params.get("embedded") == "channel":
        ids = list({row["channel"] for row in rows})
        found = (
            await db()["channels"]
            .find({"_id": {"$in": ids}}, {"handle": 1, "name": 1, "avatar": 1})
            .to_list()
        )
        channels = {one["_id"]: one for one in found}
        for row in rows:
            row["channel"] = channels[row["channel"]]
    return answer(page(rows))


async def find_video(request: Request) -> dict[str, Any]:
    """Return a video that everyone may see, else 404."""
    found = await db()["videos"].find_one({"_id": ObjectId(request.path_params["id"]), **LISTED}, HIDDEN)
    if found is None:
        raise HTTPException(404)
    return dict(found)


async def show_video(request: Request) -> Response:
    """Answer one video."""
    return answer(await find_video(request))


async def list_comments(request: Request) -> Response:
    """Answer the newest comments of a video that everyone may see."""
    video = await find_video(request)
    condition = {"video": video["_id"], "parent": None, "status": "published"}
    return answer(
        page(await db()["comments"].find(condition, HIDDEN, sort=[("_id", -1)]).limit(PAGE + 1).to_list())
    )


async def post_comment(request: Request) -> Response:
    """Store a comment, count it, and log it."""
    caller = await authenticate(request)
    text = orjson.loads(await request.body()).get("text")
    if not isinstance(text, str) or not 1 <= len(text) <= 5000:
        raise HTTPException(422)
    video = await find_video(request)
    where = [{"scope": "site"}, {"scope": "channel", "channel": video["channel"]}]
    if video.get("comment_policy") == "off" or await db()["blocks"].find_one(
        {"user": caller["id"], "$or": where}
    ):
        raise HTTPException(403)
    now = datetime.now(UTC)
    comment = {
        "_id": ObjectId(), "video": video["_id"], "author": caller["id"], "parent": None, "text": text, "mentions": [],
        "status": "published", "pinned": False, "hearted": False, "placeholder": False, "_created": now,
        "_updated": now, "_etag": str(ObjectId()), "counters": {"likes": 0, "dislikes": 0, "replies": 0},
    }  # fmt: skip
    await db()["comments"].insert_one(comment)
    await db()["videos"].update_one(
        {"_id": video["_id"]}, {"$inc": {"counters.comments": 1, "counters_rev": 1}}
    )
    event = {
        "type": "comments.created",
        "subject": comment["_id"],
        "owner": caller["id"],
        "data": comment,
        "at": now,
    }
    await db()["peer_events"].insert_one(event)
    return answer(comment, 201)


async def me(request: Request) -> Response:
    """Answer the caller's account."""
    caller = await authenticate(request)
    return answer(await db()["users"].find_one({"_id": caller["id"]}, {"username_key": 0, "email_key": 0}))


async def healthz(request: Request) -> Response:
    """Say that it is up."""
    return answer({})


app = Starlette(
    routes=[
        Route("/healthz", healthz),
        Route("/api/v1/me", me),
        Route("/api/v1/videos", list_videos),
        Route("/api/v1/videos/{id}", show_video),
        Route("/api/v1/videos/{id}/comments", list_comments),
        Route("/api/v1/videos/{id}/comments", post_comment, methods=["POST"]),
    ]
)
