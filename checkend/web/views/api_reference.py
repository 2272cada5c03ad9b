"""The reference of the API at /docs/api, and Swagger UI to try it. Like the OpenAPI document, both need no sign-in."""

from functools import lru_cache
from typing import TYPE_CHECKING

from flask import Blueprint, Response, abort, current_app, make_response, render_template, send_from_directory

from checkend.config.urls import public_url
from checkend.web.assets import SWAGGER_UI_FILES, swagger_ui_directory
from checkend.web.security import POLICY

if TYPE_CHECKING:
    from checkend.api.openapi.reference import Group

bp = Blueprint("api_reference", __name__, url_prefix="/docs/api")


@bp.get("")
def show() -> str:
    """Show how requests are sent, and a list of all routes."""
    groups = _reference(current_app.config["URL"])
    return render_template("api_reference/show.html", groups=groups, endpoint=public_url())


@bp.get("/<anchor>")
def show_group(anchor: str) -> str:
    """Show the routes of a group with their permissions, parameters, bodies, examples and responses."""
    groups = _reference(current_app.config["URL"])
    group = next((group for group in groups if group.anchor == anchor), None) or abort(404)
    return render_template("api_reference/group.html", groups=groups, group=group)


@bp.get("/try")
def try_out() -> Response:
    """Show Swagger UI, which sends requests to this server. It sets styles in attributes, here alone permitted."""
    response = make_response(render_template("api_reference/try_out.html"))
    response.headers["Content-Security-Policy"] = f"{POLICY}; style-src-attr 'unsafe-inline'"
    return response


@bp.get("/swagger-ui/<filename>")
def swagger_ui_file(filename: str) -> Response:
    """Send a file of Swagger UI."""
    if filename not in SWAGGER_UI_FILES:
        abort(404)
    return send_from_directory(swagger_ui_directory(), filename)


@lru_cache(maxsize=1)
def _reference(url: str) -> "tuple[Group, ...]":
    from checkend.api.openapi.document import build_document
    from checkend.api.openapi.reference import build_reference

    return build_reference(build_document(current_app, url))
