"""Admin routes from a table of methods, rules and plain functions."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Blueprint, request

from cloudinary_local.access import check_basic, check_cloud
from cloudinary_local.params import Fields, read_fields
from cloudinary_local.server import Server

Call = Callable[..., dict[str, Any]]
Route = tuple[str, str, Call]


def admin_blueprint(server: Server, name: str, table: Iterable[Route]) -> Blueprint:
    """Build a blueprint behind basic authentication; each call gets the server, the fields and the path."""
    routes = Blueprint(name, __name__, url_prefix="/v1_1/<cloud>")

    @routes.before_request
    def authorize() -> None:
        check_cloud(server.settings, (request.view_args or {})["cloud"])
        check_basic(server.settings, request)

    for number, (methods, rule, call) in enumerate(table):
        view = _view(server, call)
        routes.add_url_rule(
            rule, endpoint=f"{call.__name__}_{number}", view_func=view, methods=methods.split()
        )
    return routes


def _view(server: Server, call: Call) -> Callable[..., dict[str, Any]]:
    def view(cloud: str, **path: Any) -> dict[str, Any]:
        fields: Fields = read_fields(request)
        return call(server, fields, **path)

    return view
