"""The account part of the Admin API, put together from its tables."""

from flask import Blueprint

from dev.cloudinary import account, metadata_fields, named_settings
from dev.cloudinary.routing import admin_blueprint
from dev.cloudinary.server import Server


def blueprint(server: Server) -> Blueprint:
    """Build the account part of the Admin API."""
    table = [*account.ROUTES, *named_settings.ROUTES, *metadata_fields.ROUTES]
    return admin_blueprint(server, "admin_settings", table)
