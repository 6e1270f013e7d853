"""The views of all resources: reads go to the read path, writes to Eve, and both answer alike."""

from collections.abc import Callable
from typing import Any

from bson import ObjectId
from eve.methods import deleteitem, patch, post, put
from eve.render import send_response
from flask import Response, request
from werkzeug.exceptions import MethodNotAllowed

from machine.current import g
from machine.declare.resource import Mount, Resource
from machine.http.body import read_documents, require_json_wanted
from machine.http.errors import as_problem
from machine.http.etags import is_known
from machine.http.json_text import dump
from machine.http.problem import Problem
from machine.read.answer import JSON, build_answer
from machine.read.links import find_link, list_link, route_link
from machine.read.places import Place
from settings import PREFIX

# Eve reports a validator that broke as an issue of this name.
BROKEN = {"exception", "validator exception"}
View = Callable[..., Response]


class Endpoints:
    """The views of one resource, at its own URL or at a sub-resource URL."""

    def __init__(self, app: Any, resource: Resource, name: str, mount: Mount | None = None) -> None:
        self.app = app
        self.resource = resource
        self.name = name
        self.mount = mount
        self.reader = app.reads[resource.name]
        self.exact = {f.name for f in resource.fields.values() if f.type in ("objectid", "datetime")}

    def list(self, **lookup: Any) -> Response:
        """Answer GET and POST on a list."""
        if request.method == "OPTIONS":
            return self.app.make_default_options_response()
        require_json_wanted(request)
        place = self.place(lookup)
        if request.method == "POST":
            return self.create(place)
        return answer_read(self.reader.page(place, request.args, g.caller))

    def item(self, **lookup: Any) -> Response:
        """Answer GET, PATCH, PUT and DELETE on an item."""
        if request.method == "OPTIONS":
            return self.app.make_default_options_response()
        require_json_wanted(request)
        id_ = self.find_id(lookup)
        if request.method in ("GET", "HEAD"):
            shown = self.reader.item(id_, request.args, g.caller)
            return answer_read(shown, shown["_etag"])
        if request.method == "DELETE":
            return send_response(self.name, self.settle(deleteitem(self.name, _id=str(id_))))
        write = {"PATCH": patch, "PUT": put}[request.method]
        payload = self.payload(bulk=False)
        result = self.settle(write(self.name, payload=payload, _id=str(id_)))
        shown = self.shown(g.write.after)
        return send_response(self.name, ({**shown, "_status": "OK"}, None, shown["_etag"], result[3], None))

    def no_override(self, **lookup: Any) -> Response:
        """Refuse POST on an item: Eve would take it for a method override."""
        raise MethodNotAllowed([*self.resource.methods[1], "HEAD", "OPTIONS"])

    def place(self, lookup: dict[str, Any]) -> Place:
        """Return where this list stands; 404 where its parent may not be read."""
        if self.mount is None:
            return Place(request.path)
        parent_id = ObjectId(lookup[self.mount.field])
        above = self.app.reads.with_parent(self.mount.parent, parent_id, g.caller)
        return Place(request.path, self.mount, *above)

    def find_id(self, lookup: dict[str, Any]) -> ObjectId:
        """Return the id of an item URL; `@name` is looked up through the folded copy."""
        if "_id" in lookup:
            return ObjectId(lookup["_id"])
        (shown, value), *_ = lookup.items()
        key = next(key for key, field in self.resource.folded.items() if field == shown)
        found = self.app.store.collection(self.resource.name).find_one(
            {key: self.resource.fold(shown, value.lstrip("@"))}, {"_id": 1}
        )
        if found is None:
            raise Problem(404, "not_found")
        id_: ObjectId = found["_id"]
        return id_

    def payload(self, *, bulk: bool) -> Any:
        """Read the body, strictly: one document, or several."""
        payload = read_documents(request, self.app.settings.body_max_bytes, bulk=bulk)
        for one in payload if isinstance(payload, list) else [payload]:
            # Eve takes an empty value for null in these fields: a reply to "" would become no reply at all.
            hollow = [name for name in one if one[name] is not None and not one[name] and name in self.exact]
            if hollow:
                raise Problem(422, "validation_failed", issues=dict.fromkeys(hollow, "must not be empty"))
        return payload

    def create(self, place: Place) -> Response:
        """Let Eve validate and insert one document or several."""
        payload = self.payload(bulk=True)
        g.write.place = place
        for one in payload if isinstance(payload, list) else [payload]:
            for field in g.write.pinned & set(one):
                if self.mount and field == self.mount.field and one[field] != str(place.pins[field]):
                    raise Problem(422, "validation_failed", issues={field: "differs from the URL"})
        status = 201
        if not self.was_done_before():
            status = self.settle(post(self.name, payl=payload), several=isinstance(payload, list))[3]
        shown = [self.shown(one) | {"_status": "OK"} for one in g.write.inserted]
        body = {"_status": "OK", "_items": shown} if isinstance(payload, list) else shown[0]
        headers = [("Location", shown[0]["_links"]["self"]["href"])]
        response = send_response(self.name, (body, None, shown[0]["_etag"], status, headers))
        # Eve would make it absolute from the Host header, which the client chooses.
        response.autocorrect_location_header = False
        return response

    def was_done_before(self) -> bool:
        """Tell whether a request that died after its insert left its documents; they are then the answer."""
        held = g.write.key
        if held is None or not held.taken_over:
            return False
        left = {"idempotency_key": {"$regex": f"^{held.id}:"}}
        found = self.app.store.collection(self.resource.name).find(left).sort("idempotency_key", 1)
        g.write.inserted = list(found)
        return bool(g.write.inserted)

    def shown(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return what its writer sees of a document just written."""
        field, place = self.resource.readable_with, g.write.place
        parent = place.parent_named(field, document.get(field)) if place and field else None
        shown: dict[str, Any] = self.app.reads.written(self.resource.name, document, g.caller, parent)
        return shown

    def settle(self, result: Any, *, several: bool = False) -> Any:
        """Turn Eve's returned validation failures into the one error body; `several` asks for one result each."""
        content, status = result[0], result[3]
        if status < 400:
            return result
        if g.write.outage:
            raise as_problem(g.write.outage)
        issues = content.get("_issues", {})
        if any(BROKEN & set(one.get("_issues", {})) for one in content.get("_items", [content])):
            raise Problem(500, "internal_error")
        if several:
            items = [{"_status": one["_status"], **({"issues": one["_issues"]} if "_issues" in one else {})}
                     for one in content.get("_items", [content])]  # fmt: skip
            raise Problem(422, "validation_failed", items=items)
        raise Problem(422, "validation_failed", issues=issues)


def answer_read(shown: dict[str, Any], etag: str = "") -> Response:
    """Answer a read; `etag`: the stored one of an item."""
    answer = build_answer(dump(shown), etag, private=g.caller.signed_in)
    response = Response(answer.body, headers=[("ETag", answer.etag), *answer.headers], mimetype=JSON)
    if is_known(request.headers.get("If-None-Match", ""), answer.etag):
        response.make_conditional(request)
    return response


def install(app: Any) -> None:
    """Put these views in the place of Eve's; its URL rules stay."""
    for resource in app.registry:
        own = Endpoints(app, resource, resource.name)
        views: dict[str, View] = {
            "resource": own.list,
            "item_lookup": own.item,
            "item_additional_lookup": own.item,
            "item_post_override": own.no_override,
        }
        for kind, view in views.items():
            if f"{resource.name}|{kind}" in app.view_functions:
                app.view_functions[f"{resource.name}|{kind}"] = view
        for mount in resource.mounts:
            name = f"{mount.parent}_{mount.segment}"
            app.view_functions[f"{name}|resource"] = Endpoints(app, resource, name, mount).list
    app.view_functions["home"] = lambda: answer_read(home(app))
    # Werkzeug answers 405 only at the URL as it was declared, and the OpenAPI document has it without the slash.
    app.add_url_rule(PREFIX, "home", methods=["GET"])


def home(app: Any) -> dict[str, Any]:
    """Return the entry point: everything can be reached from here by links alone."""
    links: dict[str, Any] = {"self": {"href": f"{PREFIX}/", "title": "home"}}
    for resource in app.registry:
        title = resource.name.replace("_", " ")
        links[resource.name] = list_link(resource, title)
        if found := find_link(resource, title):
            links[f"{resource.name}:find"] = found
    for rule in app.url_map.iter_rules():
        spec = getattr(app.view_functions[rule.endpoint], "spec", None)
        here = not (spec and spec.needs) or getattr(app.settings, spec.needs)
        if spec and here and "<" not in rule.rule and spec.action is None:
            name = rule.rule.removeprefix(PREFIX).strip("/").replace("/", ".") or "status"
            key = name if spec.method == "GET" else f"{name}:{spec.method.lower()}"
            links[key] = route_link(rule.rule, spec)
    return {"name": "Marquee", "_links": links}
