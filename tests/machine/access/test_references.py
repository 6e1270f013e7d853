"""References and embedded documents: nobody refers to, acts on, or is shown what he may not read."""

import pytest
from bson import ObjectId

from tests import oracle
from tests.cells import label, make, states_of, values_of, who
from tests.factory import DEFINITIONS, relation, writers


def target_of(name, field):
    return relation(DEFINITIONS[name]["schema"][field])


REFERENCES = [
    (name, field, state)
    for name in DEFINITIONS
    if "POST" in DEFINITIONS[name].get("resource_methods", ["GET", "POST"])
    for field, rules in DEFINITIONS[name]["schema"].items()
    if relation(rules) and "server" not in writers(name, field)
    for state in [*oracle.variants(relation(rules)), "nowhere"]
]
MOUNTS = [
    (name, field, state)
    for name in DEFINITIONS
    for field in oracle.policy_of(name).get("mounts", {})
    for state in oracle.variants(target_of(name, field))
]
EMBEDS = [
    (name, field, state)
    for name in DEFINITIONS
    for field in oracle.policy_of(name).get("embeds", {})
    for state in oracle.variants(target_of(name, field))
]
ACTIONS = [
    (name, action, state, above, caller)
    for name in DEFINITIONS
    for action in oracle.policy_of(name).get("actions", {})
    for state, above in states_of(name)
    for caller in ("anonymous", "stranger")
]


@pytest.mark.parametrize("cell", REFERENCES, ids=label)
def test_nobody_refers_to_what_he_may_not_read(app, cast, factory, cell):
    name, field, state = cell
    client, target = cast["stranger"], target_of(name, field)
    if state == "nowhere":
        refered = {"_id": ObjectId()}
    else:
        refered = make(factory, cast, target, state, owner="host")
        if oracle.may_read(app.store, target, refered, who(cast, "stranger")):
            return
    before = app.store.collection(name).count_documents({})
    body = factory.body(name, client.user["_id"], **{field: str(refered["_id"])})
    answer = client.post(f"/{name}", body)
    assert answer.status_code == 422, answer.text
    assert answer.json["issues"] == {field: ["does not exist, or you may not see it"]}
    assert app.store.collection(name).count_documents({}) == before


@pytest.mark.parametrize("cell", MOUNTS, ids=label)
def test_nobody_writes_below_what_he_may_not_read(app, cast, factory, cell):
    name, field, state = cell
    client, target = cast["stranger"], target_of(name, field)
    parent = make(factory, cast, target, state, owner="host")
    if oracle.may_read(app.store, target, parent, who(cast, "stranger")):
        return
    mount = oracle.policy_of(name)["mounts"][field]
    url = (mount if isinstance(mount, str) else mount["url"]).replace("{" + field + "}", str(parent["_id"]))
    before = app.store.collection(name).count_documents({})
    body = {f: v for f, v in factory.body(name, client.user["_id"]).items() if f != field}
    assert client.get(f"/{url}").status_code == 404
    assert client.post(f"/{url}", body).status_code in (404, 405)
    assert app.store.collection(name).count_documents({}) == before


@pytest.mark.parametrize("cell", MOUNTS, ids=label)
def test_the_parent_in_the_url_cannot_be_contradicted(app, cast, factory, cell):
    name, field, state = cell
    if "POST" not in DEFINITIONS[name].get("resource_methods", ["GET", "POST"]):
        return
    parent = make(factory, cast, target_of(name, field), state, owner="host")
    mount = oracle.policy_of(name)["mounts"][field]
    url = (mount if isinstance(mount, str) else mount["url"]).replace("{" + field + "}", str(parent["_id"]))
    body = factory.body(name, cast["host"].user["_id"]) | {field: str(ObjectId())}
    assert cast["host"].post(f"/{url}", body).status_code in (404, 422)


@pytest.mark.parametrize("cell", EMBEDS, ids=label)
def test_embedded_documents_obey_their_own_policy(app, cast, factory, cell):
    name, field, state = cell
    target, names = target_of(name, field), oracle.policy_of(name)["embeds"][field]
    owner = cast["owner"].user["_id"]
    inner = factory.insert(target, cast["host"].user["_id"], **values_of(target, state))
    outer = factory.insert(
        name, owner, **values_of(name, next(iter(oracle.variants(name)))), **{field: inner["_id"]}
    )
    for caller in ("anonymous", "stranger", "owner", "moderator", "admin"):
        someone = who(cast, caller)
        answer = cast[caller].get(f"/{name}/{outer['_id']}?embedded={field}")
        if oracle.item_status(app.store, name, "GET", outer, someone) != 200:
            assert answer.status_code != 200
            continue
        if not oracle.may_read(app.store, target, inner, someone):
            assert answer.json[field] == str(inner["_id"])
            continue
        public = {one for one in names if one not in oracle.hidden(target, {"anyone"})}
        held = {one for one in public if one in inner}
        assert set(answer.json[field]) == held | {"_id", "_links"}
        assert answer.json[field]["_id"] == str(inner["_id"])


@pytest.mark.parametrize("cell", ACTIONS, ids=label)
def test_actions_are_refused_to_those_who_may_not(app, cast, shelf, cell):
    name, action, state, above, caller = cell
    declared = oracle.policy_of(name)["actions"][action]
    if not any(
        getattr(view, "spec", None) and view.spec.action == (name, action)
        for view in app.view_functions.values()
    ):
        pytest.skip("declared, and not routed")
    document, someone = shelf.take(name, state, above), who(cast, caller)
    known = oracle.words(app.store, name, document, someone)
    answer = cast[caller].call(
        declared["method"], f"/{name}/{document['_id']}/{declared.get('path', action)}", json={}
    )
    if not oracle.may_read(app.store, name, document, someone):
        assert answer.status_code in (401, 403, 404) and answer.json["reason"] != "illegal_state", answer.text
        assert "status" not in answer.json.get("state", {})
        if oracle.alive(document) and "deleted_at" not in declared.get("when", {}):
            assert answer.status_code == 404
    elif not set(declared["who"]) & known:
        # An action on deleted documents tells nobody else whether there is one.
        accepted = {oracle.refusal(someone)} | ({404} if "deleted_at" in declared.get("when", {}) else set())
        assert answer.status_code in accepted, answer.text
    else:
        assert answer.status_code < 500, answer.text
        return
    assert app.store.get(name, document["_id"]) == document


def test_what_stands_below_something_hidden_is_not_embedded(cast, factory):
    """An embedded document asks for what it belongs to, as its own URL does."""
    alice, bob, erin = (cast[one].user["_id"] for one in ("owner", "stranger", "host"))
    for visibility, told in (("public", True), ("private", False)):
        film = factory.insert("videos", erin, visibility=visibility, status="READY")
        comment = factory.insert("comments", bob, video=film["_id"], status="published")
        notice = factory.insert("notifications", alice, comment=comment["_id"])
        answer = cast["owner"].get(f"/notifications/{notice['_id']}?embedded=comment")
        assert answer.status_code == 200 and (comment["text"] in answer.text) is told
        assert cast["owner"].get(f"/comments/{comment['_id']}").status_code == (200 if told else 404)
