"""Eve's validator with the policy in it: who may write which field, and refer to what."""

from typing import Any

from bson import ObjectId
from cerberus.schema import UnvalidatedSchema
from eve.io.mongo import Validator
from flask import current_app
from pymongo.errors import PyMongoError

from machine.access.rights import unwritable_fields, words_of
from machine.current import app, g
from machine.http.body import StrictRules
from machine.http.problem import Problem


class CheckedSchema(UnvalidatedSchema):
    """A resource's schema that has been checked and expanded; Cerberus would do it anew at every request."""

    def __setitem__(self, field: str, rules: Any) -> None:
        self.schema[field] = rules


# By the id of Eve's own copy, which lives as long as its application and is kept beside the checked one.
CHECKED: dict[int, tuple[Any, CheckedSchema]] = {}


class PolicyValidator(StrictRules, Validator):
    """Validates one document of a resource for the present caller."""

    def __init__(self, schema: Any = None, *args: Any, **kwargs: Any) -> None:
        known = CHECKED.get(id(schema))
        if known is not None and known[0] is schema:
            super().__init__(known[1], *args, **kwargs)
            return
        super().__init__(schema, *args, **kwargs)
        if not self.is_child and self.resource is not None and is_own(self.resource, schema):
            CHECKED[id(schema)] = schema, CheckedSchema(self.schema.schema)

    def validate(self, document: Any, *args: Any, **kwargs: Any) -> bool:
        """Validate by schema, then by field policy; both kinds of issues come back together."""
        super().validate(document, *args, **kwargs)
        return self.judge(document)

    # Eve validates a PATCH and a PUT by Cerberus' own method, past the one above.

    def validate_update(self, document: Any, *args: Any, **kwargs: Any) -> bool:
        """Validate a PATCH in the same two ways."""
        super().validate_update(document, *args, **kwargs)
        return self.judge(document)

    def validate_replace(self, document: Any, *args: Any, **kwargs: Any) -> bool:
        """Validate a PUT in the same two ways."""
        super().validate_replace(document, *args, **kwargs)
        return self.judge(document)

    def judge(self, document: dict[str, Any]) -> bool:
        """Add what the policy has against the document; tell whether there is no issue at all."""
        if not self.is_child and self.resource is not None:
            self.check_told_references(document)
            for field, issue in self.policy_issues(document).items():
                if field not in self.errors:
                    self._error(field, issue)
        return not self._errors

    def check_told_references(self, document: dict[str, Any]) -> None:
        """Check the references whose resource another field tells."""
        resource = app().registry[app().base_of[self.resource]]
        for field, told in resource.told_references.items():
            value = document.get(field)
            target = told.of.get(document.get(told.by, ""))
            if target and isinstance(value, ObjectId):
                self._validate_data_relation({"resource": target}, field, value)

    def policy_issues(self, document: dict[str, Any]) -> dict[str, str]:
        """Return the fields that this caller may not write. Sending back what is there is no write."""
        resource = app().registry[app().base_of[self.resource]]
        original = self.persisted_document
        words = words_of(g.caller) | ({"owner"} if original is None else g.write.words)
        pinned = g.write.pinned
        given = {
            name: value for name, value in document.items()
            if name not in pinned and not (original is not None and original.get(name) == value)
        }  # fmt: skip
        return unwritable_fields(resource, given, words, creating=original is None)

    def is_unchanged(self, field: str, value: Any) -> bool:
        """Tell whether a write sends back what is there: what has been hidden, or forbidden, since must not spoil it.

        What lies deeper is sent back where the whole of the document's own field is.
        """
        kept = self.persisted_document
        if kept is None or not self.is_child:
            return kept is not None and kept.get(field) == value
        outer = self.document_path[0]
        return kept.get(outer) == self.root_document.get(outer)

    @property
    def reserved_names(self) -> tuple[str, ...]:
        """Return what the settings reserve."""
        return app().settings.reserved_names

    def _validate_data_relation(self, data_relation: dict[str, Any], field: str, value: Any) -> None:
        """{'type': 'dict'}"""
        # A reference to what the caller may not read is refused in the same words as one to nothing.
        if value is None or self.is_unchanged(field, value):
            return
        for one in value if isinstance(value, list) else [value]:
            place = g.write.place
            if not isinstance(one, ObjectId) or (place and place.parent_named(field, one)):
                continue
            try:
                app().reads.document(data_relation["resource"], one, g.caller)
            except Problem:
                self._error(field, "does not exist, or you may not see it")
            except PyMongoError as error:
                # Eve turns whatever a rule raises into a validation issue with its text; the endpoint looks for this.
                g.write.outage = error
                raise


def is_own(resource: str, schema: Any) -> bool:
    """Tell whether a schema is the very one that Eve keeps for a resource."""
    settings = current_app.config["DOMAIN"].get(resource, {}) if current_app else {}
    return settings.get("schema") is schema
