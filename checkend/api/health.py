"""The health check: /api/v1/health."""

from typing import Any

from flask import Blueprint
from sqlalchemy import text

from checkend import clock
from checkend.api.decorators import response
from checkend.db.session import db
from checkend.schemas.health import HealthSchema

bp = Blueprint("health", __name__)


@bp.get("/health")
@response(HealthSchema())
def show() -> dict[str, Any]:
    """Check that the server can use its database."""
    db.session.execute(text("SELECT 1 FROM alembic_version"))
    return {"status": "ok", "timestamp": clock.now()}
