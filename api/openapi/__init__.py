"""The OpenAPI document: compiled by eve-swagger from the declarations, completed from policy and route specs."""

from api.openapi.document import Document, compile_document

__all__ = ["Document", "compile_document"]
