"""What is handed out to be opened without headers, to whom, and what it must open: worked out from the declarations.

A capability is a URL that works for whoever holds it. `CAPABILITIES` names each, and the way to it; every field of an
answer that may hold one is found in the declared shapes, so that a new one without a row here fails.
"""

import io
import itertools
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urljoin, urlsplit

import cloudinary.utils
import requests
from bson import ObjectId
from PIL import Image

from features.uploads.media_plan import plan
from tests import oracle
from tests.audience import make_video
from tests.factory import DEFINITIONS
from tests.patience import patience
from tests.platform import SMALL_CLIP, poll

SIZE = 176, 144
PASSWORD = "open sesame"
VTT = "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n"
# Which of the names in an answer hold a capability, and what each opens (see `Film.files`).
PLAYBACK = {"hls": "stream", "mp4": "mp4", "thumbnail": "picture", "storyboard": "list", "captions": "captions",
            "renditions": "mp4"}  # fmt: skip
DOWNLOAD = {"url": "mp4"}
# The action of `schemas/videos.py` that gives each; None for what whoever may read the video is shown.
CAPABILITIES = {"thumbnail": None, "playback": "playback", "download": "download", "oembed": None}


@dataclass(frozen=True)
class State:
    """What a video is like when somebody asks: the fields that decide who may do what with it."""

    visibility: str
    status: str = "READY"
    age_restricted: bool = False
    protected: bool = False
    deleted: bool = False

    @property
    def name(self):
        words = [self.visibility, self.status if self.status != "READY" else ""]
        flags = [flag for flag in ("age_restricted", "protected", "deleted") if getattr(self, flag)]
        return "-".join(filter(None, [*words, *flags]))


def states():
    """Return every combination of what is declared about a READY video, and the other states of a public one."""
    schema = DEFINITIONS["videos"]["schema"]
    flags = list(itertools.product([False, True], repeat=2))
    found = [State(v, "READY", a, p) for v in schema["visibility"]["allowed"] for a, p in flags]
    found += [State("public", status) for status in schema["status"]["allowed"] if status != "READY"]
    return [*found, State("public", deleted=True)]


def may(store, capability, video, who, *, unlocked=False):
    """Tell whether somebody gets a capability, from the declarations and the two rules of docs/watching.md."""
    if capability == "oembed":
        who = oracle.Who("anonymous")
    if not oracle.may_read(store, "videos", video, who):
        return False
    action = CAPABILITIES[capability]
    if action is None:
        return True
    if not oracle.fits(video, oracle.policy_of("videos")["actions"][action]["when"]):
        return False
    if oracle.owns("videos", video, who) or who.role in ("moderator", "admin"):
        return True
    return (who.id is not None or not video["age_restricted"]) and (unlocked or not video["protected"])


class Film:
    """A READY video with a real file, and the paths of all that the media store has of it."""

    def __init__(self, app, owner, cover):
        self.app, self.media = app, app.services.media
        self.id = ObjectId(make_video(owner, duration=4.0, downloads=True))
        self.made = plan(*SIZE, 4.0)
        self.name = self.media.public_id(self.id, 1)
        self.version = self.store(self.name, self.made)
        # Another file of the same video, as there is one while it is being replaced.
        self.older, self.older_made = self.media.public_id(self.id, 2), [self.made[0], self.made[-2]]
        self.older_version = self.store(self.older, self.older_made)
        self.caption = owner.post(f"/videos/{self.id}/captions", {"language": "en", "text": VTT}).json["_id"]
        self.cover = self.store_picture("cover-1", "c_limit,w_1280/jpg") if cover else None
        self.sheet = self.store_picture("storyboard-1", "c_limit,w_1600/jpg")
        app.store.change("videos", {"_id": self.id}, set=self.facts())

    def store(self, name, made):
        eager = [one.eager for one in made]
        version = self.media.store(SMALL_CLIP, name, eager)["version"]
        poll(lambda: len(self.media.look_up(name)["derived"]) == len(eager), 240, "everything derived")
        return version

    def store_picture(self, name, eager):
        data = io.BytesIO()
        Image.new("RGB", (64, 36), "teal").save(data, "JPEG")
        name = f"{self.app.settings.media_prefix}/{self.id}/{name}"
        version = self.media.store_image(data.getvalue(), name)["version"]
        return {"public_id": name, "version": version, "eager": eager}

    def facts(self):
        """Return what the worker writes into the document."""

        def shown(one):
            return {**one.as_dict(), "bytes": 1, "format": one.format}

        tiles = {"width": 32, "height": 18, "columns": 2, "count": 2, "interval": 2.0}
        return {
            "media": {"public_id": self.name, "version": self.version, "format": "mp4"},
            "renditions": [shown(one) for one in self.made if one.kind == "mp4"],
            "thumbnails": [shown(one) for one in self.made if one.kind == "still"],
            "hls": next(one.eager for one in self.made if one.kind == "hls"),
            "thumbnail": f"/api/v1/videos/{self.id}/thumbnail",
            "storyboard": {**self.sheet, **tiles},
            "cover": self.cover,
        }  # fmt: skip

    def bring(self, state):
        """Put the video into a state, whatever it was in."""
        # Past all moves: each state is looked at from each other one.
        self.app.services.db["videos"].update_one({"_id": self.id}, {"$set": {"status": state.status}})
        values = {name: getattr(state, name) for name in ("visibility", "age_restricted", "protected")}
        deleted = self.app.store.get("videos", self.id)["_created"] if state.deleted else None
        self.app.store.change("videos", {"_id": self.id}, set={**values, "deleted_at": deleted})
        self.app.cache.clear()
        return self.app.store.get("videos", self.id)

    def files(self):
        """Return kind -> paths of all there is of the film, and of what could be made of it by asking."""
        kinds = {"stream": self.stream(self.name, self.version)}
        for one in self.made:
            if one.kind != "hls":
                kinds[f"{one.kind} {one.name}"] = [self.path(self.name, self.version, one.eager)]
        kinds["older file"] = [self.path(self.older, self.older_version, one.eager) for one in self.made]
        for name, picture in (("cover", self.cover), ("sheet", self.sheet)):
            if picture:
                place = picture["public_id"], picture["version"]
                kinds[name] = [self.path(*place, picture["eager"], "image")]
                kinds[f"{name} original"] = [
                    self.path(*place, "/jpg", "image"),
                    self.path(*place, "w_9/jpg", "image"),
                ]
        asked = ["/mp4", "/jpg", "fl_attachment/mp4", "fl_attachment,br_1k/mp4", "c_limit,w_64/mp4", "w_64/jpg",
                 "so_1/jpg", "sp_hd/m3u8", "sp_sd/mp4", "fl_getinfo/mp4", "ac_aac/mp3",
                 "/ts", "fl_attachment/ts", "br_1k/ts"]  # fmt: skip
        kinds["by asking"] = [self.path(self.name, self.version, one) for one in asked]
        kinds["by asking"] += [self.path(self.name, self.version + 1, one.eager) for one in self.made]
        return kinds

    def path(self, name, version, eager, kind="video"):
        transformation, _, ending = eager.rpartition("/")
        url, _ = cloudinary.utils.cloudinary_url(
            name, resource_type=kind, type="authenticated", version=version, raw_transformation=transformation,
            format=ending,
        )  # fmt: skip
        return urlsplit(url).path

    def stream(self, name, version):
        """Return the paths of a stream: its master playlist, its variants, and their segments."""
        eager = next(one.eager for one in self.made if one.kind == "hls")
        signed, _ = cloudinary.utils.cloudinary_url(
            name, resource_type="video", type="authenticated", version=version,
            raw_transformation=eager.rpartition("/")[0], format="m3u8", sign_url=True,
        )  # fmt: skip
        found, todo = [], [signed]
        while todo:
            url = todo.pop()
            found.append(url)
            if url.endswith(".m3u8"):
                answer = requests.get(url, timeout=patience(20))
                assert answer.status_code == 200, answer.text
                todo += [urljoin(url, line) for line in answer.text.splitlines() if line and line[0] != "#"]
        # Without the signature that opened them here.
        paths = [urlsplit(url).path.split("/") for url in found]
        return ["/".join(part for part in path if not part.startswith("s--")) for path in paths]


def own_files(film, kind, path):
    """Return the paths that a URL handed out for a kind must open: itself, or all of the stream it begins."""
    return set(film.files()["stream"]) if kind == "stream" else {path}


def claims(url):
    """Return what the token of a URL says, as text by name."""
    token = parse_qs(urlsplit(url).query, separator="&")["__cld_token__"][0]
    return {name: unquote(value) for name, _, value in (part.partition("=") for part in token.split("~"))}
