"""What has changed since a list of problems was loaded, for pages that poll."""

from datetime import datetime
from typing import Any

from flask import jsonify, request
from werkzeug.wrappers import Response

from checkend import clock
from checkend.auth.roles import Capability, visible_apps
from checkend.auth.sessions import current_user
from checkend.exceptions import ApiError
from checkend.models.problem_list import change_marker, count_since
from checkend.models.scope import AppScope
from checkend.web.lookups import app_for
from checkend.web.pages import signed_in_blueprint
from checkend.web.problem_query import read_query

bp = signed_in_blueprint("live")


@bp.get("/problems/changes")
def changes() -> Response:
    """Return the number of problems with new occurrences that belong in the list of all apps."""
    return _changes(visible_apps(current_user()))


@bp.get("/apps/<slug>/problems/changes")
def app_changes(slug: str) -> Response:
    """Return the number of problems with new occurrences that belong in the list of an app."""
    return _changes(AppScope.of([app_for(Capability.SEE_APP, slug).id]))


def _changes(scope: AppScope) -> Response:
    """Count since ``seen``, a time in microseconds; respond with 304 if nothing has changed since the last request."""
    marker = change_marker(scope)
    response = jsonify()
    response.set_etag(marker)
    if request.if_none_match.contains(marker):
        response.status_code = 304
        return response
    query, seen = read_query(request.args), _time_seen()
    if query.errors:
        raise ApiError(422, messages=query.errors)
    response.set_data(jsonify(new=count_since(scope, query.filter, seen)).get_data())
    return response


def _time_seen() -> datetime:
    value: Any = request.args.get("seen", "")
    if not (value.isascii() and value.isdigit() and len(value) < 17):
        raise ApiError(422, messages=["seen must be a time in microseconds."])
    return clock.from_micros(int(value))
