"""New notices for programs that follow along: /api/v1/arrivals and /api/v1/apps/:app_id/arrivals.

A long poll rather than a stream: it occupies a request thread only while it waits, and the number of requests that
may wait is limited; the others are answered at once. Waiting polls the database, so notices that other server
processes stored are found too.
"""

import time
from typing import Any

from flask import Blueprint

from checkend.api.decorators import query, response
from checkend.api.lookups import with_app
from checkend.auth.api_keys import authenticate, permitted_apps
from checkend.auth.decorators import requires
from checkend.db.session import db
from checkend.models import App
from checkend.models.notice import latest_notice_id, notices_stored_after
from checkend.models.scope import AppScope
from checkend.schemas.notice_feed import NoticeFeedQuery, NoticeFeedSchema
from checkend.services import services

PAGE_SIZE = 100
POLL_SECONDS = 0.2

bp = Blueprint("arrivals", __name__)
bp.before_request(authenticate)


@bp.get("/arrivals")
@requires("problems:read")
@query(NoticeFeedQuery())
@response(NoticeFeedSchema())
def index(after: int | None, seconds: int) -> dict[str, Any]:
    """Follow the notices of all apps, oldest first."""
    return _read_feed(permitted_apps(), after, seconds)


@bp.get("/apps/<app_id>/arrivals")
@requires("problems:read")
@with_app
@query(NoticeFeedQuery())
@response(NoticeFeedSchema())
def app_index(app: App, after: int | None, seconds: int) -> dict[str, Any]:
    """Follow the notices of one app, oldest first."""
    return _read_feed(AppScope.of([app.id]), after, seconds)


def _read_feed(scope: AppScope, after: int | None, seconds: int) -> dict[str, Any]:
    if after is None:
        return {"data": [], "cursor": latest_notice_id()}
    waiters = services().notice_feed_waiters
    may_wait = waiters.acquire(blocking=False)
    try:
        notices, cursor = _wait(scope, after, seconds if may_wait else 0)
    finally:
        if may_wait:
            waiters.release()
    return {"data": notices, "cursor": cursor}


def _wait(scope: AppScope, cursor: int, seconds: int) -> tuple[list[Any], int]:
    deadline = time.monotonic() + seconds
    while True:
        previous = cursor
        notices, cursor = notices_stored_after(cursor, scope, PAGE_SIZE)
        remaining = deadline - time.monotonic()
        if notices or remaining <= 0:
            return notices, cursor
        db.session.rollback()  # a snapshot that is kept open keeps the write-ahead log from being reset
        if cursor == previous and services().stopping.wait(min(POLL_SECONDS, remaining)):
            return notices, cursor
