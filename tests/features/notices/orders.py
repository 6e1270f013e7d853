"""What each kind of notice is undone by, read from the declarations, and how a test does, undoes and does it again."""

from collections import deque
from dataclasses import dataclass

from bson import ObjectId

from machine.declare.match import matches
from machine.declare.registry import Registry
from tests.audience import bring_to, make_channel, make_comment, make_video

REGISTRY = Registry.load()
# Who sees a thing whatever its visibility says: its owner, and the owner of what it belongs to.
UNMOVED = ("owner", "host")


@dataclass(frozen=True)
class Undoing:
    """One way in which a notice becomes untrue: `how` it happens, `of` the thing itself or of what is above it."""

    resource: str
    kind: str
    of: str
    how: str
    field: str = ""
    value: object = None

    @property
    def name(self):
        told = f"{self.field}={self.value}" if self.how in ("set", "move") else self.how
        return f"{self.kind}: {self.of} {told}"

    @property
    def final(self):
        return self.how == "erase"


def kinds():
    """Yield (resource, notice) for every declared kind."""
    for resource in REGISTRY:
        for notice in resource.notices:
            yield resource, notice


def undoings():
    """Yield every undoing of every declared kind."""
    for resource, notice in kinds():
        yield from of_filter(resource, notice, "thing", resource, [notice.when] if notice.when else [])
        if isinstance(notice.to, str) and notice.to in resource.fields and notice.to not in UNMOVED:
            yield Undoing(resource.name, notice.kind, "thing", "unnamed", notice.to)
        if resource.keep_deleted:
            yield Undoing(resource.name, notice.kind, "thing", "delete")
        yield Undoing(resource.name, notice.kind, "thing", "erase")
        if resource.readable_with:
            above = REGISTRY[resource.references[resource.readable_with]]
            ways = [one for one in (above.readable, above.readable_by_link) if one is not None]
            if notice.to not in UNMOVED:
                yield from of_filter(resource, notice, "parent", above, ways)
            if above.keep_deleted:
                yield Undoing(resource.name, notice.kind, "parent", "delete")


def of_filter(resource, notice, of, where, ways):
    """Yield each change of one field after which none of the filters holds that held before."""
    if not ways:
        return
    shown = {field: value for field, value in ways[0].items() if not isinstance(value, dict)}
    for field in sorted({field for way in ways for field in way}):
        states = where.states.get(field)
        if states:
            others = states.moves[shown[field]]
        elif where.schema[field]["type"] == "boolean":
            others = [True, False]
        else:
            others = where.schema[field]["allowed"]
        for value in others:
            if not any(matches({**shown, field: value}, way) for way in ways):
                how = "move" if states else "set"
                yield Undoing(resource.name, notice.kind, of, how, field, value)


class Scene:
    """One thing, the person who is told of it, and what undoes it."""

    def __init__(self, app, undoing, cast):
        self.app, self.store, self.undoing = app, app.store, undoing
        self.actor, self.person, self.other = cast
        self.ids = {}

    def do(self):
        """Do what the person is told of."""
        ARRANGE[self.undoing.kind](self)
        subject = self.ids["thing"]
        if self.undoing.how == "unnamed":
            self.named = self.store.get(self.undoing.resource, subject)[self.undoing.field]

    def more(self):
        """Let somebody else do a thing that is told in the same notification."""
        MORE[self.undoing.kind](self)

    @property
    def place(self):
        """The resource and id of what the undoing happens to."""
        resource = REGISTRY[self.undoing.resource]
        name = resource.name if self.undoing.of == "thing" else resource.references[resource.readable_with]
        return name, self.ids[self.undoing.of]

    def undo(self):
        name, id_ = self.place
        one, store = self.undoing, self.store
        if one.how == "move":
            self.before = store.get(name, id_)[one.field]
            assert store.move(name, {"_id": id_}, one.field, one.value)
        elif one.how == "set":
            self.before = store.get(name, id_)[one.field]
            store.change(name, {"_id": id_}, set={one.field: one.value})
        elif one.how == "unnamed":
            store.change(name, {"_id": id_}, set={one.field: [] if isinstance(self.named, list) else None})
        elif one.how == "delete":
            assert store.remove(name, store.get(name, id_))
        else:
            assert store.erase(name, store.get(name, id_))

    def redo(self):
        name, id_ = self.place
        one, store = self.undoing, self.store
        if one.how == "move" and one.value in REGISTRY[name].states[one.field].remembers:
            assert store.resume(name, {"_id": id_}, one.field)
        elif one.how == "move":
            for state in way_back(name, one.field, one.value, self.before):
                assert store.move(name, {"_id": id_}, one.field, state)
        else:
            values = {"set": {one.field: getattr(self, "before", None)}, "delete": {"deleted_at": None}}
            values["unnamed"] = {one.field: getattr(self, "named", None)}
            assert store.change(name, {"_id": id_}, set=values[one.how])

    def told(self):
        """Return (count, unread) of each notification of this kind that the person has."""
        items = self.person.get("/notifications?max_results=100").json["_items"]
        return [(one["count"], one["unread"]) for one in items if one["kind"] == self.undoing.kind]


def way_back(name, field, start, end):
    """Return the shortest legal way between two states."""
    moves, ways = REGISTRY[name].states[field].moves, deque([[start]])
    while ways[0][-1] != end:
        way = ways.popleft()
        ways += [[*way, state] for state in moves[way[-1]] if state not in way]
    return ways[0][1:]


def film(scene):
    scene.ids["parent"] = ObjectId(make_video(scene.other))


def reply(scene):
    film(scene)
    scene.top = make_comment(scene.person, str(scene.ids["parent"]))
    scene.more_of = dict(text="re", parent=scene.top)
    scene.ids["thing"] = ObjectId(make_comment(scene.actor, str(scene.ids["parent"]), **scene.more_of))


def mention(scene):
    film(scene)
    text = f"hello @{scene.person.user['username']}"
    scene.ids["thing"] = ObjectId(make_comment(scene.actor, str(scene.ids["parent"]), text))


def comment(scene):
    scene.ids["parent"], scene.more_of = ObjectId(make_video(scene.person)), {}
    scene.ids["thing"] = ObjectId(make_comment(scene.actor, str(scene.ids["parent"])))


def new_video(scene):
    channel = make_channel(scene.actor)
    assert scene.person.put(f"/channels/{channel}/subscription").status_code == 200
    video = make_video(scene.actor, channel, visibility="private")
    assert scene.actor.post(f"/videos/{video}/publish").status_code == 200
    scene.ids["thing"] = ObjectId(video)


def processing(scene):
    body = {"channel": make_channel(scene.person), "title": "A title", "visibility": "public"}
    video = ObjectId(scene.person.post("/videos", body).json["_id"])
    bring_to(scene.store, video, "READY")
    scene.ids["thing"] = video


def another_comment(scene):
    make_comment(scene.other, str(scene.ids["parent"]), **scene.more_of)


# How each kind comes about; and how another thing comes into the same notification, where that can be.
ARRANGE = {
    "reply": reply,
    "mention": mention,
    "comment": comment,
    "new_video": new_video,
    "processing": processing,
}
MORE = {"reply": another_comment, "comment": another_comment}
