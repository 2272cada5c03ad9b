"""Apps: /api/v1/apps."""

from typing import Any

from flask import Blueprint, g

from checkend.api.decorators import body, response
from checkend.api.lookups import with_app
from checkend.auth.api_keys import authenticate, permitted_apps
from checkend.auth.decorators import requires
from checkend.db.session import db
from checkend.db.transactions import write_in_steps
from checkend.ingest.test_error import send_test_error
from checkend.models import ApiKey, App
from checkend.models.selection import delete_app_in_batches
from checkend.schemas.app import AppSchema, AppWithKeySchema, TestErrorSchema

bp = Blueprint("apps", __name__)
bp.before_request(authenticate)


@bp.get("/apps")
@requires("apps:read")
@response(AppSchema(many=True))
def index() -> list[App]:
    """List all apps, newest first."""
    return App.newest_first(permitted_apps())


@bp.post("/apps")
@requires("apps:write", all_apps=True)
@body(AppSchema())
@response(AppWithKeySchema(), 201, located=True)
def create(data: dict[str, Any]) -> App:
    """Create an app. Only this response, and that of regenerate_ingestion_key, contains the ingestion key."""
    return App.create(**data)


@bp.get("/apps/<app_id>")
@requires("apps:read")
@with_app
@response(AppSchema())
def show(app: App) -> App:
    """Show an app."""
    return app


@bp.route("/apps/<app_id>", methods=["PATCH", "PUT"])
@requires("apps:write")
@with_app
@body(AppSchema(), partial=True)
@response(AppSchema())
def update(app: App, data: dict[str, Any]) -> App:
    """Update an app. Fields that are not sent stay as they are, and so does the slug."""
    app.change(**data)
    return app


@bp.delete("/apps/<app_id>")
@requires("apps:write", writing=False)  # a transaction per batch
@with_app
@response(status=204)
def delete(app: App) -> None:
    """Delete an app with all its problems and notices.

    This can take some time for an app with many notices; other requests and reports are not held up.
    """
    for _ in write_in_steps(delete_app_in_batches(app)):
        pass


@bp.post("/apps/<app_id>/test_error")
@requires("apps:write", writing=False)  # the writer stores it
@with_app
@response(TestErrorSchema(), 201)
def test_error(app: App) -> dict[str, Any]:
    """Report a test error to an app, as an SDK would."""
    key = db.session.get_one(ApiKey, g.api_key.key_id)
    result = send_test_error(app, "the API", {"name": f"API key {key.name}"})
    return {"id": result.notice_id, "problem_id": result.problem_id, "deduplicated": result.deduplicated}


@bp.post("/apps/<app_id>/regenerate_ingestion_key")
@requires("apps:write")
@with_app
@response(AppWithKeySchema())
def regenerate_ingestion_key(app: App) -> App:
    """Replace an app's ingestion key. The response contains the new one; the old one is rejected from now on."""
    app.regenerate_ingestion_key()
    return app
