"""Connecting an app: waiting for its first error, and sending a test error."""

from typing import Any

from flask import flash, jsonify, redirect, url_for
from werkzeug.wrappers import Response

from checkend import __version__
from checkend.auth.roles import Capability
from checkend.auth.sessions import current_user
from checkend.config.urls import public_url
from checkend.db.session import db
from checkend.ingest.exceptions import DatabaseUnavailableError, UnknownKeyError
from checkend.ingest.pipeline import ingestion
from checkend.web.lookups import app_for
from checkend.web.pages import signed_in_blueprint

bp = signed_in_blueprint("connect", "/apps/<slug>")


@bp.get("/first-error")
def first_error(slug: str) -> Response:
    """Return the number of the app's problems, for the page that waits for the first one."""
    return jsonify(problems=app_for(Capability.EDIT_APP, slug).problems_count)


@bp.post("/test-error")
def send_test_error(slug: str) -> Response:
    """Report a test error through ingestion, as an SDK would."""
    app = app_for(Capability.EDIT_APP, slug)
    ingestion_key, email_address = app.ingestion_key, current_user().email_address
    db.session.rollback()  # end the read transaction before waiting for the writer
    try:
        result = ingestion().accept(ingestion().apps.find(ingestion_key), _test_report(email_address))
    except (DatabaseUnavailableError, UnknownKeyError):  # the key may just have been regenerated
        flash("The test error could not be stored. Try again shortly.", "error")
    else:
        flash("The test error was counted as a duplicate." if result.deduplicated else "The test error was received.")
    return redirect(url_for("apps.show", slug=slug))


def _test_report(email_address: str) -> dict[str, Any]:
    return {
        "error": {
            "class": "Checkend::TestError",
            "message": "This is a test error. If you can read this, your app is connected.",
            "backtrace": [
                "app/checkout.py:42 in pay",
                "app/web.py:17 in handle_request",
            ],
            "tags": ["test"],
        },
        "context": {"environment": "test", "sent_from": "the dashboard"},
        "request": {"url": f"{public_url()}/", "method": "GET"},
        "user": {"email": email_address},
        "notifier": {"name": "checkend-dashboard", "version": __version__, "language": "python"},
    }
