"""Generated from the declarations: every way through every state machine ends where its invariants hold.

A step is a legal move, or a change of a field that some declared condition asks about. What a step does depends on
those fields alone, so each combination of their values (a shape) is reached, tried with every step once, and looked
at once by everyone: the ways of any length are covered, those of length 4 are counted.
"""

import itertools
import secrets
from collections import Counter
from datetime import UTC, datetime

import pytest
from bson import ObjectId

from machine.edge.cache import EVERYTHING
from machine.http.problem import Problem
from tests.audience import FILE
from tests.factory import DEFINITIONS, satisfy

MACHINES = [(name, field) for name in DEFINITIONS for field in DEFINITIONS[name]["policy"].get("states", {})]
LOOKERS = ["owner", "host", "moderator", "stranger", "anonymous"]
# What the server brings along where it makes a move: the rest is checked to be refused.
BRINGS = {("videos", "READY"): FILE}
BODIES = {"like": {"value": 1}, "thumbnail": {"at": 1}, "password": {"password": "open sesame"},
          "unlock": {"password": "open sesame"}}  # fmt: skip
LEAST_WAYS = {"videos": 500, "comments": 8, "reports": 4, "webhook_deliveries": 4}
LENGTH = 4


def conditions(name):
    """Yield every declared filter on documents of this resource."""
    policy = DEFINITIONS[name]["policy"]
    yield from (policy.get("readable") or {}, policy.get("readable_by_link") or {})
    yield from (action.get("when", {}) for action in policy.get("actions", {}).values())
    yield from policy.get("stamps", {}).values()
    for counts in policy.get("counts", {}).values():
        yield from (one.get("when", {}) for one in (counts if isinstance(counts, list) else [counts])
                    if isinstance(one, dict))  # fmt: skip
    for other in DEFINITIONS.values():
        above = other["policy"].get("readable_with")
        if above and other["schema"][above]["data_relation"]["resource"] == name:
            yield other["policy"].get("readable_while", {})


def varied(name):
    """Return each field that a condition asks about and that has few values, with these."""
    asked = {path for condition in conditions(name) for path in condition}
    schema, found = DEFINITIONS[name]["schema"], {}
    for path in sorted(asked - set(DEFINITIONS[name]["policy"]["states"])):
        rules = schema.get(path, {})
        if rules.get("allowed") or rules.get("type") == "boolean":
            found[path] = rules.get("allowed", [False, True])
    return found


class Machine:
    """One state machine, the steps through it, and what is seen of each shape."""

    def __init__(self, app, cast, factory, name, field, vary):
        self.app, self.store, self.cast, self.factory = app, app.store, cast, factory
        self.name, self.field, self.vary = name, field, vary
        self.policy = DEFINITIONS[name]["policy"]
        self.declared = self.policy["states"][field]
        self.memories = self.declared.get("remembers", {})
        self.noted = {path for needs in self.declared.get("invariants", {}).values() for path in needs}
        self.noted |= set(self.policy.get("stamps", {})) | {one["into"] for one in self.memories.values()}
        self.refused = self.looks = 0
        # A document below a parent of its own: nothing else is in its lists.
        self.base = factory.document(name, cast["owner"].user["_id"], **dict.fromkeys(self.noted))
        self.base |= {memory["into"]: None for memory in self.memories.values()}

    def births(self):
        """Return the states in which documents begin: the start, and those that no move leads to."""
        led_to = {to for moves in self.declared["moves"].values() for to in moves}
        return {self.declared["start"], *(set(self.declared["moves"]) - led_to)}

    def starts(self):
        for state in sorted(self.births()):
            for values in itertools.product(*self.vary.values()):
                yield self.lay({**self.base, self.field: state, **dict(zip(self.vary, values, strict=True))})

    def lay(self, document):
        """Store a copy of a document as it is, under a new id, as if it had been there."""
        fresh = {**document, "_id": ObjectId()}
        fresh |= {key: secrets.token_hex(12) for key in self.unique_texts()}
        if "_etag" not in fresh:
            return self.store.insert(self.name, self.apart(fresh))
        self.store.collection(self.name).insert_one(self.apart(fresh))
        return fresh

    def unique_texts(self):
        return [field for field in ("key", "title") if field in DEFINITIONS[self.name]["schema"]]

    def apart(self, document):
        """Give a document other values where they are unique together."""
        for unique in self.policy.get("unique", []):
            document[unique.get("shown", unique["fields"][-1])] = ObjectId()
        return document

    def shape(self, document):
        noted = tuple((name, self.noted_value(document, name)) for name in sorted(self.noted))
        return (document[self.field], tuple(document.get(name) for name in self.vary), noted)

    def noted_value(self, document, name):
        value = document.get(name)
        return value[self.field] if isinstance(value, dict) and self.field in value else value is not None

    def steps(self, document):
        """Return the steps from here: (label, act)."""
        here = document[self.field]
        for to, who in self.declared["moves"].get(here, {}).items():
            yield f"to {to}", lambda d, to=to: self.move(d, to)
            if "server" in who and (self.name, to) in BRINGS:
                yield f"to {to} with all", lambda d, to=to: self.move(d, to, BRINGS[self.name, to])
        for name, values in self.vary.items():
            for value in values:
                if value != document.get(name):
                    change = {name: value}
                    yield (
                        f"{name}={value}",
                        lambda d, c=change: self.store.change(self.name, {"_id": d["_id"]}, set=c),
                    )

    def move(self, document, to, values=()):
        match = {"_id": document["_id"]}
        if document[self.field] in self.memories:
            back = (document.get(self.memories[document[self.field]]["into"]) or {}).get(self.field)
            return self.store.resume(self.name, match, self.field) if to == back else None
        return self.store.move(self.name, match, self.field, to, set=dict(values))

    def explore(self):
        """Reach every shape; return the number of ways of each length, after checking each end."""
        edges, ahead = {}, []
        first = Counter()
        for document in self.starts():
            self.hold(document)
            shape = self.shape(document)
            first[shape] += 1
            ahead.append((shape, document))
        while ahead:
            shape, document = ahead.pop()
            if shape in edges:
                continue
            edges[shape] = []
            self.look(document)
            for label, act in self.steps(document):
                before = self.lay(document)
                after = self.attempt(act, before)
                if after is None:
                    assert self.store.get(self.name, before["_id"]) == before, f"refused {label}, and changed"
                    continue
                self.hold(after, f"{shape} {label}")
                edges[shape].append(self.shape(after))
                ahead.append((self.shape(after), after))
                if self.shape(after) in edges:
                    self.store.collection(self.name).delete_one({"_id": after["_id"]})
        return edges, ways(first, edges, LENGTH)

    def attempt(self, act, document):
        try:
            return act(document)
        except Problem as problem:
            assert problem.code == 409, problem
            self.refused += 1
            return None

    def hold(self, document, how="at the start"):
        """Check what is declared of the state, the stamps and the memory."""
        needs = self.declared.get("invariants", {}).get(document[self.field], {})
        for path, wanted in needs.items():
            assert true_of(document, path, wanted), f"{how}: {path} is {document.get(path)!r}"
        for stamp, wanted in self.policy.get("stamps", {}).items():
            if all(true_of(document, path, value) for path, value in wanted.items()):
                assert document.get(stamp), f"{how}: no {stamp}"
        for state, memory in self.memories.items():
            assert bool(document.get(memory["into"])) == (document[self.field] == state), how

    def look(self, document, sound=True):
        """Everyone looks at the document, follows each link, and does each action that is offered."""
        self.app.services.cache.bump({EVERYTHING})
        for who in LOOKERS:
            answer = self.ask(who, "GET", f"/{self.name}/{document['_id']}")
            for rel, link in (answer.json.get("_links") or {}).items():
                action = self.policy.get("actions", {}).get(rel)
                if action:
                    self.act(who, document, rel, action["method"], link["href"], sound)
                elif isinstance(link, dict) and link["href"].startswith("/api/"):
                    self.ask(who, "GET", link["href"])
        for path in FEEDS.get(self.name, lambda *_: [])(document, self.app.settings.public_url):
            for who in ("owner", "anonymous"):
                self.ask(who, "GET", path)

    def act(self, who, document, rel, method, href, sound):
        """Do an action, hold what it made of the document, and put that back."""
        self.ask(who, method, href, json=None if method == "GET" else BODIES.get(rel, {}))
        if method != "GET":
            after = self.store.get(self.name, document["_id"])
            if after is not None and sound:
                self.hold(after, f"{self.shape(document)} {rel} by {who}")
            self.store.collection(self.name).replace_one({"_id": document["_id"]}, document, upsert=True)
            self.app.services.cache.bump({EVERYTHING})

    def ask(self, who, method, path, **more):
        answer = self.cast[who].call(method, path, **more)
        self.looks += 1
        assert answer.status_code < 500, (who, method, path, answer.text)
        return answer


def true_of(document, path, wanted):
    """Tell whether a value satisfies a condition, for the forms that invariants and stamps use."""
    value = document.get(path)
    return value is not None if wanted == {"$ne": None} else value == wanted


def ways(first, edges, length):
    """Count the ways of a length."""
    now = first
    for _ in range(length):
        ahead = Counter()
        for shape, count in now.items():
            for to in edges[shape]:
                ahead[to] += count
        now = ahead
    return sum(now.values())


def around_a_video(video, base):
    """Return every place where a video appears."""
    id_, channel = video["_id"], video["channel"]
    return [
        f"/channels/{channel}/feed.atom", "/sitemap.xml", f"/sitemaps/{video['_created']:%Y-%m}.xml",
        "/videos", f"/channels/{channel}/videos", f"/search?q={video['title']}", "/feed/home",
        f"/videos/{id_}/playback", f"/videos/{id_}/thumbnail", f"/videos/{id_}/download",
        f"/oembed?url={base}/api/v1/videos/{id_}",
    ]  # fmt: skip


FEEDS = {
    "videos": around_a_video,
    "comments": lambda c, _: [f"/videos/{c['video']}/comments", f"/comments/{c['_id']}/replies"],
}


def parts():
    """Yield (resource, state field, fields that stand still): a machine with many shapes is explored in parts."""
    for name, field in MACHINES:
        vary = varied(name)
        moving = {path for stamp in DEFINITIONS[name]["policy"].get("stamps", {}).values() for path in stamp}
        still = [path for path in vary if path not in moving]
        for number, values in enumerate(itertools.product(*(vary[path] for path in still))):
            marks = [pytest.mark.slow] if number and name == "videos" else []
            fixed = dict(zip(still, values, strict=True))
            yield pytest.param(name, field, fixed, marks=marks, id=f"{name}-{field}-{number}")


@pytest.mark.parametrize(("name", "field", "still"), list(parts()))
def test_every_way_ends_where_the_invariants_hold(app, cast, factory, name, field, still, capsys):
    vary = {path: [still[path]] if path in still else values for path, values in varied(name).items()}
    machine = Machine(app, cast, factory, name, field, vary)
    edges, count = machine.explore()
    with capsys.disabled():
        print(f"\n{name}.{field} {still}: {len(edges)} shapes, {count} ways of length {LENGTH}, "
              f"{machine.refused} refused, {machine.looks} answers")  # fmt: skip
    assert {shape[0] for shape in edges} == set(DEFINITIONS[name]["schema"][field]["allowed"])
    assert count >= LEAST_WAYS[name]


def test_broken_documents_of_older_versions_answer_below_500(app, cast, factory):
    """Public, READY, and without what that needs: one of each, and all of them together."""
    machine = Machine(app, cast, factory, "videos", "status", {})
    public = satisfy(DEFINITIONS["videos"]["policy"]["readable"])
    for lacking in [*([one] for one in sorted(machine.noted)), sorted(machine.noted)]:
        whole = {**machine.base, **public, **FILE, "published_at": datetime.now(UTC)}
        document = machine.lay(whole)
        app.store.collection("videos").update_one({"_id": document["_id"]}, {"$set": dict.fromkeys(lacking)})
        machine.look(app.store.get("videos", document["_id"]), sound=False)
