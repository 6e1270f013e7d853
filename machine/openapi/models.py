"""The schemas of resources: what is read, what may be written on creation and on change, and lists of them."""

from collections.abc import Mapping
from typing import Any

from machine.declare.registry import Registry
from machine.declare.resource import META, Field, Resource
from machine.openapi.examples import ID as SOME_ID
from machine.openapi.examples import MOMENT as SOME_MOMENT
from machine.openapi.fields import ID, describe_field, object_of
from machine.openapi.naming import a, noun, nouns, pascal, singular
from machine.openapi.words import LINK

Schema = dict[str, Any]
WHO = {"owner": "its owner", "host": "the owner of what it belongs to", "moderator": "moderators",
       "admin": "administrators", "user": "those signed in"}  # fmt: skip
META_SCHEMAS: dict[str, Schema] = {
    "_id": {"type": "string", "pattern": ID, "example": SOME_ID},
    "_created": {"type": "string", "format": "date-time", "example": SOME_MOMENT},
    "_updated": {"type": "string", "format": "date-time", "example": SOME_MOMENT},
    "_etag": {"type": "string", "example": "5d41402abc4b2a76b9719d91"},
}


def ref(name: str) -> Schema:
    """Refer to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def model_name(resource: str) -> str:
    """Return the name of what is read of a resource: `videos` is `Video`."""
    return pascal(singular(resource))


def shared_schemas() -> dict[str, Schema]:
    """Return the schemas that all resources use."""
    text = {"type": "string"}
    link = {
        "type": "object", "description": "Where it is, what it is called, and the method when it is not GET.",
        "properties": {"href": text, "title": text, "method": text, "templated": {
            "type": "boolean", "description": "Whether the `href` is a template (RFC 6570), to be filled in.",
        }}, "required": ["href", "title"],
        "example": LINK,
    }  # fmt: skip
    links = {
        "type": "object", "additionalProperties": ref("Link"),
        "description": "What can be reached from here, and what may be done now, by you.",
        "example": {"self": link["example"]},
    }  # fmt: skip
    meta = {"type": "object", "properties": {"max_results": {"type": "integer"}}, "required": ["max_results"],
            "description": "About the page.", "example": {"max_results": 25}}  # fmt: skip
    checked = {
        "type": "object", "description": "The answer to `Prefer: validate-only`: all is well, nothing was written.",
        "properties": {"_status": {"type": "string", "enum": ["OK"]}}, "required": ["_status"],
        "additionalProperties": False,
    }  # fmt: skip
    return {"Link": link, "Links": links, "PageMeta": meta, "Checked": checked}


class Models:
    """Makes the schemas of one resource out of what eve-swagger compiled and what the policy says."""

    def __init__(self, registry: Registry, compiled: Mapping[str, Schema]) -> None:
        self.registry = registry
        self.compiled = compiled
        self.schemas = shared_schemas()
        for resource in registry:
            self.add(resource)

    def add(self, resource: Resource) -> None:
        """Add the schemas of a resource."""
        name, (lists, items) = model_name(resource.name), resource.methods
        self.schemas[name] = self.readable(resource)
        self.schemas[f"{name}List"] = list_of(name, nouns(resource.name))
        if "POST" in lists or "PUT" in items:
            self.schemas[f"{name}Create"] = self.writable(resource, creating=True)
        if "PATCH" in items:
            self.schemas[f"{name}Update"] = self.writable(resource, creating=False)

    def produced(self, resource: Resource) -> dict[str, Schema]:
        """Return what eve-swagger made of the fields."""
        found: dict[str, Schema] = self.compiled[resource.name].get("properties", {})
        return found

    def readable(self, resource: Resource) -> Schema:
        """Return what somebody may read, less what nobody may. Only meta fields are always there."""
        fields = {name: one for name, one in resource.fields.items() if one.read - {"server"}}
        declared = {name: resource.schema[name] for name in fields if name in resource.schema}
        made = object_of(declared, self.produced(resource), writing=False, owner=resource.name)["properties"]
        properties: dict[str, Schema] = {}
        for name, field in fields.items():
            if name in META:
                properties[name] = {
                    **META_SCHEMAS[name],
                    "description": describe_field(name, {}, ""),
                    "readOnly": True,
                }
                continue
            one = made.get(name) or {"type": "string", "format": "date-time", "nullable": True}
            properties[name] = self.shown(resource, field, one)
        properties["_links"] = self.links(resource)
        properties["_status"] = {
            "type": "string",
            "description": "`OK`, in answers to writes.",
            "readOnly": True,
        }
        return {
            "type": "object", "description": f"{a(noun(resource.name)).capitalize()}, as far as you may read it.",
            "properties": properties, "required": [*META, "_links"],
        }  # fmt: skip

    def shown(self, resource: Resource, field: Field, schema: Schema) -> Schema:
        """Say of one field who reads it, that the server writes it, and what may be embedded in its place."""
        about = schema.get("description", "") or describe_field(field.name, {}, resource.name)
        if not field.public:
            who = " and ".join(WHO[word] for word in WHO if word in field.read)
            about = f"{about} Shown only to {who}.".strip()
        schema = {**schema, "description": about} if about else schema
        if field.write == {"server"}:
            schema["readOnly"] = True
        if field.name in resource.embeds and field.name in resource.references:
            bare = {key: value for key, value in schema.items() if key not in ("description", "readOnly")}
            kept = {key: value for key, value in schema.items() if key in ("description", "readOnly")}
            return {**kept, "oneOf": [bare, ref(self.card(resource, field.name))]}
        return schema

    def card(self, resource: Resource, reference: str) -> str:
        """Add the schema of an embedded document, and return its name."""
        target, names = self.registry[resource.references[reference]], resource.embeds[reference]
        public = {
            name: target.schema[name]
            for name in names
            if target.fields[name].public and name in target.schema
        }
        made = object_of(public, self.produced(target), writing=False, owner=target.name)["properties"]
        card = {
            "type": "object", "description": f"The part of {a(noun(target.name))} that other documents embed.",
            "properties": {"_id": {**META_SCHEMAS["_id"]}, **made, "_links": ref("Links")},
            "required": ["_id", "_links"],
        }  # fmt: skip
        name = f"{model_name(target.name)}Card"
        if self.schemas.get(name, card) != card:
            name = f"{model_name(resource.name)}{name}"
        self.schemas[name] = card
        return name

    def links(self, resource: Resource) -> Schema:
        """Describe the links of a document: what stands below it and its actions."""
        href, schema = "/api/v1/" + resource.name, ref("Links")
        below = [mount.segment for _, mount in self.registry.mounts[resource.name]]
        names = ", ".join(f"`{name}`" for name in ("self", "parent", *below))
        about = f"Always: {names}."
        if resource.actions:
            about += f" When legal now, for you: {', '.join(f'`{name}`' for name in resource.actions)}."
        links = {
            "self": {"href": f"{href}/{SOME_ID}", "title": noun(resource.name).capitalize()},
            "parent": {"href": href, "title": nouns(resource.name)},
        }
        return {"allOf": [schema], "description": about, "readOnly": True, "example": links}

    def writable(self, resource: Resource, *, creating: bool) -> Schema:
        """Return what a request may hold."""
        names = [
            name for name in resource.schema
            if may_write(resource.fields[name], creating=creating) and not resource.schema[name].get("readonly")
        ]  # fmt: skip
        declared = {name: resource.schema[name] for name in names}
        made = object_of(declared, self.produced(resource), writing=True, owner=resource.name)
        for name in names:
            write = resource.fields[name].write
            if (
                "anyone" not in write
                and "create" not in write
                and "owner" not in write
                and "user" not in write
            ):
                who = " and ".join(WHO[word] for word in WHO if word in write)
                sentence = f"{made['properties'][name].get('description', '')} Set only by {who}."
                made["properties"][name]["description"] = sentence.strip()
        thing = noun(resource.name)
        about = (
            f"What {a(thing)} is made of."
            if creating
            else f"What may be changed of {a(thing)}; the rest stays as it is."
        )
        schema = {"type": "object", "description": about, **made, "additionalProperties": False}
        if not creating:
            schema.pop("required", None)
            for one in schema["properties"].values():
                one.pop("default", None)
        return schema

    def below(self, resource: Resource, pin: str) -> str:
        """Return the name of the creation schema below a parent, where the URL says what `pin` is."""
        name = f"{model_name(resource.name)}Create"
        whole = self.schemas[name]
        if pin not in whole["properties"]:
            return name
        own = f"{name}In{pascal(pin)}"
        properties = {key: value for key, value in whole["properties"].items() if key != pin}
        required = [key for key in whole.get("required", []) if key != pin]
        self.schemas[own] = {**whole, "properties": properties, "required": required}
        if not required:
            del self.schemas[own]["required"]
        return own


def may_write(field: Field, *, creating: bool) -> bool:
    """Tell whether anybody at all may send the field."""
    return bool(field.write - {"server"}) if creating else bool(field.write - {"server", "create"})


def list_of(name: str, things: str) -> Schema:
    """Return the envelope of a page."""
    links = {"self": {"href": "/api/v1/", "title": things}, "parent": {"href": "/api/v1/", "title": "home"}}
    about = "`next` and `prev` are there when there is such a page."
    return {
        "type": "object", "description": f"A page of {things}.",
        "properties": {
            "_items": {"type": "array", "items": ref(name)},
            "_links": {"allOf": [ref("Links")], "description": about, "example": links},
            "_meta": ref("PageMeta"),
        },
        "required": ["_items", "_links", "_meta"],
    }  # fmt: skip
