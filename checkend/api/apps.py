"""Apps: /api/v1/apps."""

from typing import Any

from flask import Blueprint

from checkend.api.decorators import body, response
from checkend.api.lookups import with_app
from checkend.auth.api_keys import authenticate
from checkend.auth.decorators import requires
from checkend.db.session import db
from checkend.db.transactions import commit
from checkend.models import App
from checkend.models.selection import delete_app_in_batches
from checkend.schemas.app import AppSchema, AppWithKeySchema

bp = Blueprint("apps", __name__)
bp.before_request(authenticate)


@bp.get("/apps")
@requires("apps:read")
@response(AppSchema(many=True))
def index() -> list[App]:
    """All apps, newest first."""
    return App.newest_first()


@bp.post("/apps")
@requires("apps:write")
@body(AppSchema())
@response(AppWithKeySchema(), 201)
def create(data: dict[str, Any]) -> App:
    """Make an app. The answer, and no later one, shows its ingestion key."""
    app = App.create(**data)
    commit()
    return app


@bp.get("/apps/<app_id>")
@requires("apps:read")
@with_app
@response(AppSchema())
def show(app: App) -> App:
    """An app."""
    return app


@bp.route("/apps/<app_id>", methods=["PATCH", "PUT"])
@requires("apps:write")
@with_app
@body(AppSchema(), partial=True)
@response(AppSchema())
def update(app: App, data: dict[str, Any]) -> App:
    """Change what is sent of an app. Its slug stays."""
    app.change(**data)
    commit()
    return app


@bp.delete("/apps/<app_id>")
@requires("apps:write")
@with_app
@response(status=204)
def delete(app: App) -> None:
    """Delete an app with all its problems and notices."""
    for _ in delete_app_in_batches(app):
        db.session.commit()


@bp.post("/apps/<app_id>/regenerate_ingestion_key")
@requires("apps:write")
@with_app
@response(AppWithKeySchema())
def regenerate_ingestion_key(app: App) -> App:
    """Give an app a new ingestion key, which the answer shows; the old one is refused from now on."""
    app.regenerate_ingestion_key()
    commit()
    return app
