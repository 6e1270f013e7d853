"""The OpenAPI document: compiled by eve-swagger from the declarations, completed from policy and route specs."""

from machine.openapi.document import FORMS, Document, compile_document

__all__ = ["FORMS", "Document", "compile_document"]
