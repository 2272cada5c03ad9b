"""Whether an app is connected: waiting for its first report, and sending a test error."""

from typing import Any

from flask import flash, jsonify, redirect, url_for
from werkzeug.wrappers import Response

from checkend import __version__
from checkend.auth.roles import Capability
from checkend.auth.sessions import current_user
from checkend.db.session import db
from checkend.ingest.pipeline import ingestion
from checkend.ingest.writer import DatabaseUnavailableError
from checkend.web.lookups import app_for
from checkend.web.pages import signed_in_blueprint
from checkend.web.urls import public_url

# Not writing: the test error is written by ingestion, which a transaction held here would keep waiting.
bp = signed_in_blueprint("connect", "/apps/<slug>", writing=False)


@bp.get("/first-error")
def first_error(slug: str) -> Response:
    """How many problems the app has, for the page that waits for the first one."""
    app = app_for(Capability.EDIT_APP, slug)
    return jsonify(problems=app.problems_count)


@bp.post("/test-error")
def send_test_error(slug: str) -> Response:
    """Send an error as an SDK would, through ingestion itself."""
    app = app_for(Capability.EDIT_APP, slug)
    key, sent_by = app.ingestion_key, current_user().email_address
    db.session.rollback()
    sender = ingestion().sender(key)
    try:
        stored = ingestion().accept(sender, _test_error(sent_by)) if sender else None
    except DatabaseUnavailableError:
        stored = None
    if stored is None:
        flash("The test error could not be stored; try again in a moment.", "error")
    else:
        flash("The test error was counted again." if stored.deduplicated else "The test error has arrived.")
    return redirect(url_for("apps.show", slug=slug))


def _test_error(sent_by: str) -> dict[str, Any]:
    return {
        "error": {
            "class": "Checkend::TestError",
            "message": "This is a test. If you can read it, reports arrive.",
            "backtrace": [
                "app/checkout.py:42 in pay",
                "app/web.py:17 in handle_request",
            ],
            "tags": ["test"],
        },
        "context": {"environment": "test", "sent_from": "the dashboard"},
        "request": {"url": f"{public_url()}/", "method": "GET"},
        "user": {"email": sent_by},
        "notifier": {"name": "checkend-dashboard", "version": __version__, "language": "python"},
    }
