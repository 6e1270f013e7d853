"""The lint names the file, the key and the nearest right word, all mistakes at once."""

import copy

import pytest

from machine.declare.lint import lint
from machine.declare.registry import BadDeclaration, Registry, read_definitions


@pytest.fixture
def declared():
    return copy.deepcopy(read_definitions())


def only(complaints):
    assert len(complaints) == 1, complaints
    return complaints[0]


def test_what_ships_has_no_mistakes(declared):
    assert lint(declared) == []


MISTAKES = {
    "an Eve key": (
        lambda r: r.update(resource_methds=["GET"]),
        "unknown key 'resource_methds'; did you mean 'resource_methods'",
    ),
    "a method": (
        lambda r: r.update(item_methods=["GTE"]),
        "item_methods: unknown method 'GTE'; did you mean 'GET'",
    ),
    "a Cerberus rule": (
        lambda r: r["schema"]["name"].update(maxlenght=3),
        "schema.name: unknown Cerberus rule 'maxlenght'; did you mean 'maxlength'",
    ),
    "a nested rule": (
        lambda r: r["schema"]["links"]["schema"]["schema"]["title"].update(requierd=True),
        "unknown Cerberus rule 'requierd'; did you mean 'required'",
    ),
    "a type": (
        lambda r: r["schema"]["name"].update(type="strnig"),
        "unknown type 'strnig'; did you mean 'string'",
    ),
    "required and default": (
        lambda r: r["schema"]["name"].update(default="x"),
        "is both required and defaulted",
    ),
    "a nested default": (
        lambda r: r["schema"]["defaults"]["schema"]["category"].update(default="x"),
        "schema.defaults.category: has a default inside an object",
    ),
    "a resource": (
        lambda r: r["schema"]["owner"]["data_relation"].update(resource="usres"),
        "unknown resource 'usres'; did you mean 'users'",
    ),
    "a policy key": (
        lambda r: r["policy"].update(redable={}),
        "policy: unknown policy key 'redable'; did you mean 'readable'",
    ),
    "a role": (
        lambda r: r["policy"].update(roles={"moderater": ["GET"]}),
        "unknown role 'moderater'; did you mean 'moderator'",
    ),
    "an owner": (
        lambda r: r["policy"].update(owner="onwer"),
        "policy.owner: unknown field 'onwer'; did you mean 'owner'",
    ),
    "a filter": (
        lambda r: r["policy"].update(readable={"nmae": 1}),
        "policy.readable: unknown field 'nmae'; did you mean 'name'",
    ),
    "a field": (
        lambda r: r["policy"]["fields"].update(handel={}),
        "unknown field 'handel'; did you mean 'handle'",
    ),
    "a reader": (
        lambda r: r["policy"]["fields"].update(name={"read": ["onwer"]}),
        "unknown role 'onwer'; did you mean 'owner'",
    ),
    "a hidden filter": (
        lambda r: r["policy"]["queries"].append({"filter": ["handle_key"], "sort": "-_id"}),
        "'handle_key' is hidden",
    ),
    "a name that no index gets": (
        lambda r: (
            r.setdefault("mongo_indexes", {}).update(mine=[("owner", 1), ("_id", -1), ("name", 1)])
            or r["policy"]["queries"][1].update(index="by_me")
        ),
        "queries.1.index: names nothing: 'mine' of mongo_indexes.mine takes its place",
    ),
    "a name for the index by id": (
        lambda r: r["policy"]["queries"][0].update(index="newest"),
        "queries.0.index: names nothing: MongoDB's own index by id serves it",
    ),
    "a name for an index of another query": (
        lambda r: r["policy"]["queries"].append(
            {"filter": ["owner"], "sort": "-_id", "view": "all", "index": "a"}
        ),
        "queries.2.index: names nothing: 'by_owner' of policy.queries.1 takes its place",
    ),
    "a name for two indexes": (
        lambda r: r["policy"]["queries"].append({"filter": ["owner"], "sort": "name"}),
        "queries.2: its index would be called 'by_owner' like that of policy.queries.1: name it with `index`",
    ),
    "a declared index of the name of a derived one": (
        lambda r: r.setdefault("mongo_indexes", {}).update(by_owner=[("owner", 1), ("name", 1)]),
        "queries.1: its index would be called 'by_owner' like that of mongo_indexes.by_owner",
    ),
    "two indexes on the same keys": (
        lambda r: r.setdefault("mongo_indexes", {}).update(
            a=[("name", 1)], b=([("name", 1)], {"unique": True})
        ),
        "mongo_indexes.b: its index has the same keys as 'a'",
    ),
    "a searched field": (
        lambda r: r["policy"].update(searched={"nmae": 10}),
        "policy.searched: unknown field 'nmae'; did you mean 'name'",
    ),
    "a searched number": (
        lambda r: r["policy"].update(searched={"counters": 10}),
        "policy.searched: 'counters' is no text",
    ),
    "a weight": (
        lambda r: r["policy"].update(searched={"name": "10"}),
        "policy.searched.name: must be a weight from 1 to 999",
    ),
    "an index of two lists": (
        lambda r: (
            r["schema"].update(tags={"type": "list", "nullable": True})
            or r["policy"]["queries"].append({"filter": ["links", "tags"], "sort": "-_id"})
        ),
        "queries.2: an index holds one list at most, and 'links' and 'tags' are both lists",
    ),
    "an embed": (
        lambda r: r["policy"]["embeds"].update(owner=["usernam"]),
        "unknown field 'usernam'; did you mean 'username'",
    ),
    "a private embed": (
        lambda r: r["policy"]["embeds"].update(owner=["email"]),
        "'email' is not for everyone to read",
    ),
    "a counter": (
        lambda r: r["policy"].update(counts={"owner": "counters.chanels"}),
        "unknown field 'chanels'; did you mean 'channels'",
    ),
    "a reason": (
        lambda r: r["policy"]["unique"][0].update(reason="handel_taken"),
        "unknown reason 'handel_taken'; did you mean 'handle_taken'",
    ),
    "an event": (
        lambda r: r["policy"].update(events=["creatd"]),
        "unknown event 'creatd'; did you mean 'created'",
    ),
    "a person to be told": (
        lambda r: r["policy"].update(notices={"new": {"to": "ownr", "by": "_id"}}),
        "notices.new.to: unknown field 'ownr'; did you mean 'owner'",
    ),
    "no person to be told": (
        lambda r: r["policy"].update(notices={"new": {"to": "name", "by": "_id"}}),
        "notices.new.to: 'name' holds no people",
    ),
    "followers": (
        lambda r: r["policy"].update(notices={"new": {"to": {"of": "likse", "by": "_id"}, "by": "_id"}}),
        "notices.new.to: unknown resource 'likse'; did you mean 'likes'",
    ),
    "a moment to be told of": (
        lambda r: r["policy"].update(notices={"new": {"to": "owner", "by": "_id", "on": ["creatd"]}}),
        "notices.new.on: unknown event 'creatd'; did you mean 'created'",
    ),
    "a host": (
        lambda r: r["policy"].update(notices={"new": {"to": "host", "by": "_id"}}),
        "notices.new.to: there is no host without `readable_with`",
    ),
    "a notice that nothing takes back": (
        lambda r: r["policy"].update(
            notices={"new": {"to": "owner", "by": "_id"}}, events=["created", "deleted"]
        ),
        "notices: a notice must hear of every change: `events` lacks updated",
    ),
    "a coming without a going": (
        lambda r: r["policy"].update(events=["created"]),
        "events: who is told that something came must be told that it went: 'deleted'",
    ),
    "a stamp": (
        lambda r: r["policy"].update(stamps={"name": {}}),
        "stamps.name: must be a datetime",
    ),
    "a stamp of nothing": (
        lambda r: r["policy"].update(stamps={"nam": {}}),
        "unknown field 'nam'; did you mean 'name'",
    ),
    "a fate": (
        lambda r: r["policy"].update(on_parent_delete={"owner": "casade"}),
        "unknown fate 'casade'; did you mean 'cascade'",
    ),
    "a rate class": (
        lambda r: r["policy"].update(rate="wirte"),
        "unknown rate class 'wirte'; did you mean 'write'",
    ),
    "a resource for people only": (
        lambda r: r["policy"].update(people_only=True),
        "policy.people_only: says nothing of what everyone may read",
    ),
    "what a document is about": (
        lambda r: r["policy"].update(about="handel"),
        "policy.about: unknown field 'handel'; did you mean 'handle'",
    ),
    "a cache time": (lambda r: r["policy"].update(cache=-1), "policy.cache: must be a number of seconds"),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_names_the_place_and_the_nearest_right_word(declared, kind):
    spoil, expected = MISTAKES[kind]
    spoil(declared["channels"])
    complaint = next(c for c in lint(declared) if expected in c)
    assert complaint.startswith("schemas/channels.py: ")


def test_unreachable_state_is_named(declared):
    declared["videos"]["schema"]["status"]["allowed"].append("LOST")
    assert "the state 'LOST' cannot be reached" in only(lint(declared))


def test_deadline_must_end_in_a_legal_move(declared):
    declared["videos"]["policy"]["states"]["status"]["deadlines"]["UPLOADING"]["then"] = "READY"
    assert "'READY' is no legal move from UPLOADING" in only(lint(declared))


def test_counter_that_nobody_counts_is_named(declared):
    del declared["channels"]["policy"]["counts"]
    assert "schema.counters.channels: nobody counts it" in only(lint(declared))


def test_all_mistakes_of_all_files_come_at_once(declared):
    declared["channels"]["policy"]["redable"] = {}
    declared["videos"]["policy"]["owners"] = "owner"
    with pytest.raises(BadDeclaration) as stopped:
        Registry(declared)
    assert "schemas/channels.py" in str(stopped.value) and "schemas/videos.py" in str(stopped.value)


LEAVING = {
    "personal fields that outlive the account": (
        lambda d: d["reports"]["policy"]["on_parent_delete"].update(reporter="keep"),
        "reports.py: policy.on_parent_delete: it holds personal data, which 'keep' for 'reporter' would leave",
    ),
    "personal fields of a thing whose owner is only forgotten": (
        lambda d: d["reports"]["policy"]["on_parent_delete"].update(reporter="orphan"),
        "which 'orphan' for 'reporter' would leave",
    ),
    "a person whose departure was not thought of": (
        lambda d: d["events"]["policy"]["on_parent_delete"].pop("owner"),
        "events.py: policy.on_parent_delete: 'owner' leads to a person and does not say what follows",
    ),
    "a text that is kept by accident": (
        lambda d: d["comments"]["policy"]["fields"].pop("text"),
        "comments.py: policy.fields.text: its author may leave while it is kept",
    ),
    "a nested text that is kept by accident": (
        lambda d: d["channels"]["policy"]["on_parent_delete"].update(owner="keep"),
        "channels.py: policy.fields.links: its author may leave while it is kept",
    ),
    "nothing to blank": (
        lambda d: d["comments"]["policy"]["on_parent_delete"].update(author="blank"),
        "'blank' clears what is personal, and no field is",
    ),
    "a reference that cannot be cleared": (
        lambda d: d["reports"]["schema"]["reporter"].pop("nullable"),
        "on_parent_delete.reporter: 'anonymize' clears the reference, so it must be nullable",
    ),
    "two nobodies that clash": (
        lambda d: d["reports"]["mongo_indexes"]["once"][1].pop("partialFilterExpression"),
        "two that are cleared would clash in the unique index on ['reporter', 'target_type', 'target']",
    ),
    "a search through everything": (
        lambda d: d["events"]["mongo_indexes"].pop("by_owner"),
        "events.py: policy.on_parent_delete.owner: no index begins with 'owner'",
    ),
    "a part that is not there": (
        lambda d: d["channels"]["policy"]["fields"].update(defaults={"pii": ["categorie"]}),
        "channels.py: policy.fields.defaults.pii: unknown field 'categorie'; did you mean 'category'",
    ),
    "a word for personal": (
        lambda d: d["channels"]["policy"]["fields"].update(name={"pii": "yes"}),
        "channels.py: policy.fields.name.pii: must be true, false, or a list of inner fields",
    ),
    "a resource as something beside another": (
        lambda d: d["channels"]["policy"].update(beside={"videos": "channel"}),
        "channels.py: policy.beside: 'videos' is a resource",
    ),
    "fields that a deadline empties": (
        lambda d: d["videos"]["policy"]["states"]["status"]["deadlines"]["UPLOADING"].update(
            clears=["pending"]
        ),
        "deadlines.UPLOADING.clears: unknown field 'pending'",
    ),
    "a deadline that nothing tells of": (
        lambda d: d["videos"]["schema"].update(condition=d["videos"]["schema"].pop("status_detail")),
        "states.status.deadlines: unknown field 'status_detail'",
    ),
}


@pytest.mark.parametrize("kind", LEAVING)
def test_what_was_not_thought_of_is_named(declared, kind):
    spoil, expected = LEAVING[kind]
    spoil(declared)
    assert any(expected in one for one in lint(declared)), lint(declared)


STATE_MISTAKES = {
    "a state that needs": (
        lambda s: s.update(invariants={"REDY": {}}),
        "status.invariants: unknown state 'REDY'; did you mean 'READY'",
    ),
    "what a state needs": (
        lambda s: s.update(invariants={"READY": {"medai": {"$ne": None}}}),
        "invariants.READY: unknown field 'medai'; did you mean 'media'",
    ),
    "where it is remembered": (
        lambda s: s["remembers"]["BLOCKED"].update(into="interupted"),
        "remembers.BLOCKED: unknown field 'interupted'; did you mean 'interrupted'",
    ),
    "a way back": (
        lambda s: s["moves"]["BLOCKED"].pop("FAILED"),
        "remembers.BLOCKED: there is no way back to 'FAILED'",
    ),
    "a way to elsewhere": (
        lambda s: s["moves"]["BLOCKED"].update(DRAFT=["moderator"]),
        "remembers.BLOCKED: 'DRAFT' is no state that it interrupts",
    ),
}


@pytest.mark.parametrize("kind", STATE_MISTAKES)
def test_mistakes_in_states_are_named(declared, kind):
    spoil, expected = STATE_MISTAKES[kind]
    spoil(declared["videos"]["policy"]["states"]["status"])
    complaint = only(lint(declared))
    assert expected in complaint and complaint.startswith("schemas/videos.py: ")
