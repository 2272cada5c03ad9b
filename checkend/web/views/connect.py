"""Connecting an app: waiting for its first error, and sending a test error."""

from flask import flash, jsonify, redirect, url_for
from werkzeug.wrappers import Response

from checkend.auth.roles import Capability
from checkend.auth.sessions import current_user
from checkend.exceptions import ApiError
from checkend.ingest.test_error import send_test_error as report_test_error
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
    app, email_address = app_for(Capability.EDIT_APP, slug), current_user().email_address
    try:
        result = report_test_error(app, "the dashboard", {"email": email_address})
    except ApiError as error:
        flash(error.message, "error")
    else:
        flash("The test error was counted as a duplicate." if result.deduplicated else "The test error was received.")
    return redirect(url_for("apps.show", slug=slug))
