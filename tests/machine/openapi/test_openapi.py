"""The OpenAPI document: whole, valid, true to what the API answers, and silent about what is hidden."""

import json
import re
import threading
import time

import pytest
import yaml
from flask import Blueprint, Flask
from openapi_schema_validator import OAS30ReadValidator, OAS30WriteValidator
from openapi_spec_validator import OpenAPIV30SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from assembly import create_app
from machine.http.reasons import REASONS
from machine.http.route import RouteSpec, route
from machine.http.shape import TEXT, PageOf, Shape
from machine.openapi import Document, compile_document
from machine.openapi.fields import anchor
from machine.openapi.models import model_name
from machine.openapi.naming import template
from machine.openapi.routes import loose_schemas
from machine.openapi.statuses import STATUSES
from settings import PREFIX
from tests.audience import make_channel, make_watchable
from tests.patience import patience


@pytest.fixture(scope="module")
def bare_app():
    return create_app()


@pytest.fixture(scope="module")
def document(bare_app):
    return json.loads(json.dumps(compile_document(bare_app)))


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def resolve(document, node):
    while "$ref" in node:
        target = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def checker(document, schema, kind=OAS30ReadValidator):
    whole = Resource.from_contents(document, default_specification=DRAFT4)
    registry = Registry().with_resource("urn:document", whole)
    text = json.dumps(schema).replace('"#/components', '"urn:document#/components')
    return kind(json.loads(text), registry=registry)


@pytest.mark.slow
def test_document_is_valid_openapi(document):
    assert [error.message for error in OpenAPIV30SpecValidator(document).iter_errors()] == []


def test_every_url_rule_is_described(bare_app, document):
    described = {(path, method.upper()) for path, method, _ in operations(document)}
    for rule in bare_app.url_map.iter_rules():
        if rule.endpoint.endswith("|item_post_override"):
            continue
        spec = getattr(bare_app.view_functions[rule.endpoint], "spec", None)
        methods = {spec.method} if spec else rule.methods - {"HEAD", "OPTIONS"}
        for method in methods:
            assert (template(rule.rule), method) in described, rule


def test_every_described_operation_is_routed(bare_app, document):
    urls = bare_app.url_map.bind("localhost")
    for path, method, _ in operations(document):
        url = re.sub(r"\{\w+\}", "a" * 24, path)
        endpoint, _ = urls.match(url, method=method.upper())
        assert not endpoint.endswith("|item_post_override")


def test_what_stands_at_a_variable_url_may_be_missing(document):
    for path, method, operation in operations(document):
        assert "{" not in path or "404" in operation["responses"], (path, method)


def test_operation_ids_are_unique_and_plain(document):
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z][A-Za-z0-9]+", one) for one in ids)


def test_every_operation_says_what_it_does(document):
    for path, method, operation in operations(document):
        assert operation["summary"] and operation["description"], (path, method)
        assert not operation["summary"].endswith("."), operation["summary"]


def test_every_operation_can_go_well(document):
    for path, method, operation in operations(document):
        assert any(status.startswith("2") for status in operation["responses"]), (path, method)


def test_every_answer_in_json_has_a_shape(document):
    for path, _, operation in operations(document):
        for status, answer in operation["responses"].items():
            described = answer.get("content", {}).get("application/json", {}).get("schema", {"$ref": ""})
            assert path == "/openapi.json" or set(described) != {"type"}, (path, status)


@pytest.mark.parametrize("content", ["", "application/json, text/html"])
def test_a_route_that_answers_json_must_say_of_which_shape(content):
    facts = {"method": "GET", "path": "/x", "access": "anyone", "summary": "", "tag": "", "content": content}
    RouteSpec(**facts, answers={200: "It."}, returns={"name": TEXT})
    RouteSpec(**facts, answers={204: "Nothing."})
    with pytest.raises(ValueError, match="GET /x answers JSON: say in `returns` of which shape"):
        RouteSpec(**facts, answers={200: "It."})


@pytest.mark.parametrize(
    "declared", [{"returns": "unicorns"}, {"returns": PageOf("unicorns")}, {"takes": "unicorns"}]
)
def test_a_route_cannot_name_a_resource_that_is_not_there(bare_app, declared):
    blueprint = Blueprint("x", __name__)
    facts = {"access": "anyone", "summary": "", "tag": "", "answers": {200: "It."}, "returns": {}}
    route(blueprint, "GET", "/x", **facts | declared)(lambda: {})
    stage = Flask("stage")
    stage.registry = bare_app.registry
    with pytest.raises(ValueError, match="GET .*/x: there is no resource 'unicorns'"):
        stage.register_blueprint(blueprint)


def test_two_shapes_cannot_share_a_name():
    facts = {"method": "GET", "access": "anyone", "summary": "", "tag": "", "answers": {200: "It."}}
    one = RouteSpec(path="/x", returns=Shape("Thing", {"name": TEXT}), **facts)
    same = RouteSpec(path="/y", returns=Shape("Thing", {"name": TEXT}), **facts)
    other = RouteSpec(path="/z", returns=Shape("Thing", {"title": TEXT}), **facts)
    assert loose_schemas({"x": one, "y": same}) == {"shape.Thing": {"name": TEXT}}
    with pytest.raises(ValueError, match="GET /z: another Thing is declared elsewhere"):
        loose_schemas({"x": one, "z": other})


def test_every_group_has_a_sentence(document):
    described = {tag["name"]: tag["description"] for tag in document["tags"]}
    used = {tag for _, _, operation in operations(document) for tag in operation["tags"]}
    assert used == set(described)
    assert all(text.endswith(".") for text in described.values())


def test_path_parameters_are_declared(document):
    for path, method, operation in operations(document):
        named = {
            one["name"]
            for one in (resolve(document, each) for each in operation["parameters"])
            if one["in"] == "path"
        }
        assert named == set(re.findall(r"\{(\w+)\}", path)), (path, method)


def test_hidden_fields_are_nowhere(bare_app, document):
    text = json.dumps(document)
    for canary in ("email_key", "username_key", "handle_key", "pending_media", "media_version"):
        assert canary not in text
    for resource in bare_app.registry:
        hidden = {name for name, field in resource.fields.items() if field.read == {"server"}}
        for suffix in ("", "Create", "Update"):
            schema = document["components"]["schemas"].get(model_name(resource.name) + suffix, {})
            assert not hidden & set(schema.get("properties", {})), (resource.name, suffix)


def test_no_request_takes_what_only_the_server_writes(bare_app, document):
    for resource in bare_app.registry:
        for suffix in ("Create", "Update"):
            schema = document["components"]["schemas"].get(model_name(resource.name) + suffix)
            for name in (schema or {}).get("properties", {}):
                assert resource.fields[name].write != {"server"}, (resource.name, name)


def test_fields_for_creation_only_are_absent_from_changes(document):
    assert "channel" in document["components"]["schemas"]["VideoCreate"]["properties"]
    assert "channel" not in document["components"]["schemas"]["VideoUpdate"]["properties"]


def test_items_always_carry_their_meta_fields(document):
    required = document["components"]["schemas"]["Video"]["required"]
    assert {"_id", "_created", "_updated", "_etag", "_links"} == set(required)


def test_a_sub_resource_takes_its_parent_from_the_url(document):
    operation = document["paths"][f"{PREFIX}/channels/{{channel}}/videos"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]["oneOf"][0]
    body = resolve(document, schema)
    assert "channel" not in body["properties"] and body["required"] == ["title"]


def test_lists_offer_the_declared_sorts_only(document):
    operation = document["paths"][f"{PREFIX}/videos/{{video}}/comments"]["get"]
    sort = next(one for one in operation["parameters"] if one.get("name") == "sort")
    assert sort["schema"]["enum"] == ["-_id", "-counters.likes"]


def test_changing_something_needs_if_match(document):
    for path, method, operation in operations(document):
        if "428" in operation["responses"]:
            names = {resolve(document, one)["name"] for one in operation["parameters"]}
            assert "If-Match" in names and "412" in operation["responses"], (path, method)


def test_public_reads_need_no_sign_in_and_writes_do(document):
    videos = document["paths"][f"{PREFIX}/videos"]
    assert {} in videos["get"]["security"] and {} not in videos["post"]["security"]
    assert videos["post"]["security"] == [{"accessToken": []}, {"apiKey": []}]


def test_an_upload_is_a_form_with_a_file(document):
    operation = document["paths"][f"{PREFIX}/videos/{{id}}/upload"]["post"]
    schema = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert schema["properties"]["file"]["format"] == "binary" and schema["required"] == ["file"]
    assert {"202", "401", "403", "404", "409", "413", "415"} <= set(operation["responses"])


def test_refusals_are_problems_with_known_reasons(document):
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            found = resolve(document, response)
            if int(status) < 400 or "application/json" in found["content"]:
                continue
            body = found["content"]["application/problem+json"]
            assert body["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert found["x-reasons"] and set(found["x-reasons"]) <= set(REASONS), (path, method)


def test_every_reason_has_a_status():
    listed = [word for words in STATUSES.values() for word in words]
    special = {"invalid_credentials"}
    assert len(listed) == len(set(listed))
    assert set(REASONS) - special <= set(listed)


def test_patterns_are_read_alike_by_other_languages():
    assert anchor(r"https://[^\s<>\"\\]+") == r'^https://[^\s<>"\\]+$'
    assert anchor("a|b") == "^(?:a|b)$"


def test_every_example_satisfies_its_schema(document):
    schemas = document["components"]["schemas"]
    assert all("example" in schema for schema in schemas.values())
    for name, schema in schemas.items():
        kind = (
            OAS30WriteValidator if name.endswith(("Create", "Update", "Body", "Wish")) else OAS30ReadValidator
        )
        errors = [error.message for error in checker(document, schema, kind).iter_errors(schema["example"])]
        assert errors == [], name


def test_error_examples_are_the_bodies_that_are_sent(document):
    problem = document["components"]["schemas"]["Problem"]
    for name, example in document["components"]["examples"].items():
        assert not list(checker(document, problem).iter_errors(example["value"])), name
        assert example["value"]["type"] == f"/docs/errors#{name.split('.')[0]}"


def test_only_used_components_are_kept(document):
    text = json.dumps(document)
    for kind, named in document["components"].items():
        if kind != "securitySchemes":
            assert all(f'"#/components/{kind}/{name}"' in text for name in named)


def test_compiling_leaves_the_live_domain_alone(bare_app):
    before = json.dumps(bare_app.config["DOMAIN"], default=str)
    compile_document(bare_app)
    assert json.dumps(bare_app.config["DOMAIN"], default=str) == before


def test_document_is_compiled_once_by_many_threads(bare_app):
    kept, found = Document(bare_app), []
    threads = [threading.Thread(target=lambda: found.append(kept.get("json")[0])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in found}) == 1


def test_compiling_takes_less_than_a_start_may(bare_app):
    began = time.perf_counter()
    compile_document(bare_app)
    assert time.perf_counter() - began < patience(1.5)


def test_document_is_served_with_an_etag(bare_app):
    http = bare_app.test_client()
    first = http.get("/openapi.json")
    assert first.mimetype == "application/json" and first.json["openapi"] == "3.0.3"
    again = http.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_yaml_says_the_same_as_json(bare_app):
    http = bare_app.test_client()
    as_yaml = http.get("/openapi.yaml")
    assert as_yaml.mimetype == "application/yaml"
    assert yaml.load(as_yaml.text, Loader=yaml.CSafeLoader) == http.get("/openapi.json").json


def test_document_is_served_compressed_to_those_who_ask(bare_app):
    answer = bare_app.test_client().get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip" and answer.headers["Vary"] == "Accept-Encoding"


def test_an_unknown_file_of_the_page_is_not_found(bare_app):
    assert bare_app.test_client().get("/docs/assets/nothing.js").status_code == 404


def fits(document, answer, path, method):
    operation = document["paths"][PREFIX + path][method]
    described = operation["responses"].get(str(answer.status_code))
    assert described is not None, (answer.status_code, answer.text)
    content = resolve(document, described)["content"][answer.mimetype]
    errors = [error.message for error in checker(document, content["schema"]).iter_errors(answer.json)]
    assert errors == [], (path, method)


def test_what_the_api_answers_fits_the_document(document, anonymous, alice, name):
    channel = alice.post("/channels", {"handle": name, "name": "Woods"})
    fits(document, channel, "/channels", "post")
    below = f"/channels/{channel.json['_id']}/videos"
    video = alice.post(below, {"title": "A walk", "tags": ["forest"]})
    fits(document, video, "/channels/{channel}/videos", "post")
    own = f"/videos/{video.json['_id']}"
    fits(document, alice.get(f"{own}?embedded=channel,owner"), "/videos/{id}", "get")
    fits(document, alice.patch(own, {"title": "Two walks"}), "/videos/{id}", "patch")
    fits(document, alice.get(below), "/channels/{channel}/videos", "get")
    fits(document, anonymous.get("/channels?embedded=owner"), "/channels", "get")
    fits(document, alice.get("/me"), "/me", "get")
    fits(document, alice.get("/sessions"), "/sessions", "get")
    fits(document, anonymous.get("/"), "", "get")


def answers_as_described(document, answer, path, method):
    assert answer.status_code < 300, (path, answer.text)
    fits(document, answer, path, method)


def test_what_the_routes_of_a_video_answer_fits_the_document(document, anonymous, alice, bob):
    video = make_watchable(alice, downloads=True)
    own, described = f"/videos/{video}", "/videos/{id}"
    answers_as_described(document, bob.put(f"{own}/like", {}), f"{described}/like", "put")
    answers_as_described(document, bob.post(f"{own}/views", {"position": 0}), f"{described}/views", "post")
    answers_as_described(document, bob.get("/me/liked"), "/me/liked", "get")
    for path in ("ratings", "positions", "playlisted"):
        answers_as_described(document, bob.get(f"/me/{path}?ids={video}"), f"/me/{path}", "get")
    for path in ("playback", "stats", "related", "download"):
        answers_as_described(document, alice.get(f"{own}/{path}"), f"{described}/{path}", "get")
    answers_as_described(document, anonymous.get(f"/oembed?url={PREFIX}{own}"), "/oembed", "get")
    answers_as_described(document, anonymous.get("/search?q=woods"), "/search", "get")
    answers_as_described(
        document, alice.put(f"{own}/password", {"password": "open sesame"}), f"{described}/password", "put"
    )
    answers_as_described(
        document, bob.post(f"{own}/unlock", {"password": "open sesame"}), f"{described}/unlock", "post"
    )
    answers_as_described(document, alice.delete(f"{own}/password"), f"{described}/password", "delete")


def test_what_the_routes_of_a_channel_answer_fits_the_document(document, alice, bob):
    channel = make_channel(alice)
    own, described = f"/channels/{channel}", "/channels/{id}"
    answers_as_described(document, bob.put(f"{own}/subscription", {}), f"{described}/subscription", "put")
    answers_as_described(document, bob.get(f"/me/subscribed?ids={channel}"), "/me/subscribed", "get")
    answers_as_described(document, bob.delete(f"{own}/subscription"), f"{described}/subscription", "delete")
    answers_as_described(document, alice.get(f"{own}/stats"), f"{described}/stats", "get")


def test_what_the_api_refuses_fits_the_document(document, anonymous, alice, bob, name):
    channel = alice.post("/channels", {"handle": name, "name": "Woods"}).json["_id"]
    fits(document, anonymous.post("/channels", {"handle": "abc", "name": "x"}), "/channels", "post")
    fits(document, alice.post("/channels", {"handle": "!"}), "/channels", "post")
    fits(document, bob.post("/channels", {"handle": name, "name": "x"}), "/channels", "post")
    fits(document, bob.patch(f"/channels/{channel}", {"name": "x"}), "/channels/{id}", "patch")
    fits(document, alice.patch(f"/channels/{channel}", {"name": "x"}, etag="old"), "/channels/{id}", "patch")
    fits(document, alice.call("PATCH", f"/channels/{channel}", json={"name": "x"}), "/channels/{id}", "patch")
    fits(document, alice.get("/videos?sort=title"), "/videos", "get")
    fits(document, anonymous.get(f"/videos/{'0' * 24}"), "/videos/{id}", "get")


def test_options_names_the_methods_that_are_described(document, anonymous):
    for path in ("/videos", "/users", "/events"):
        item = f"{path}/{'a' * 24}"
        allowed = set(anonymous.call("OPTIONS", item).headers["Allow"].split(", "))
        described = {method.upper() for method in document["paths"][f"{PREFIX}{path}/{{id}}"]}
        assert allowed == described | {"HEAD", "OPTIONS"}, path


def test_a_dry_run_answers_as_described(document, alice, name):
    answer = alice.call(
        "POST", "/channels", json={"handle": name, "name": "Woods"}, headers={"Prefer": "validate-only"}
    )
    assert answer.status_code == 200
    fits(document, answer, "/channels", "post")
