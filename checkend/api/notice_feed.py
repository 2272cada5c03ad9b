"""What was stored since, for programs that follow: /api/v1/arrivals and /api/v1/apps/:app_id/arrivals.

A long poll rather than a stream: it takes a request thread only while it waits, and only so many may wait at a time;
the others are answered at once. Waiting looks at the store, so it sees what other processes stored too.
"""

import time
from typing import Any

from flask import Blueprint

from checkend.api.decorators import query, response
from checkend.api.lookups import with_app
from checkend.auth.api_keys import authenticate
from checkend.auth.decorators import requires
from checkend.db.session import db
from checkend.models import App
from checkend.models.notice import latest_notice_id, notices_stored_after
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
    """The reports stored after a cursor, oldest first, waited for if need be; without a cursor, where to begin."""
    return _read_feed(None, after, seconds)


@bp.get("/apps/<app_id>/arrivals")
@requires("problems:read")
@with_app
@query(NoticeFeedQuery())
@response(NoticeFeedSchema())
def app_index(app: App, after: int | None, seconds: int) -> dict[str, Any]:
    """The same for the reports of one app."""
    return _read_feed(app.id, after, seconds)


def _read_feed(app_id: int | None, after: int | None, seconds: int) -> dict[str, Any]:
    if after is None:
        return {"data": [], "cursor": latest_notice_id()}
    waiters = services().notice_feed_waiters
    may_wait = waiters.acquire(blocking=False)
    try:
        found, cursor = _wait(app_id, after, seconds if may_wait else 0)
    finally:
        if may_wait:
            waiters.release()
    return {"data": found, "cursor": cursor}


def _wait(app_id: int | None, cursor: int, seconds: int) -> tuple[list[Any], int]:
    until = time.monotonic() + seconds
    while True:
        before = cursor
        found, cursor = notices_stored_after(cursor, app_id, PAGE_SIZE)
        left = until - time.monotonic()
        if found or left <= 0:
            return found, cursor
        db.session.rollback()  # hold no snapshot of the store while asleep
        if cursor == before and services().stopping.wait(min(POLL_SECONDS, left)):
            return found, cursor
