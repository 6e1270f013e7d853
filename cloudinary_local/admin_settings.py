"""The account part of the Admin API, put together from its tables."""

from flask import Blueprint

from cloudinary_local import account, metadata_fields, named_settings
from cloudinary_local.routing import admin_blueprint
from cloudinary_local.server import Server


def blueprint(server: Server) -> Blueprint:
    """Build the account part of the Admin API."""
    table = [*account.ROUTES, *named_settings.ROUTES, *metadata_fields.ROUTES]
    return admin_blueprint(server, "admin_settings", table)
