"""The audit log: /api/v1/audit_log."""

from typing import Any

from flask import Blueprint
from sqlalchemy import Select

from checkend.api.decorators import paginated, query
from checkend.auth.api_keys import authenticate
from checkend.auth.decorators import requires
from checkend.models.audit_query import AuditFilter, count_entries, find_entries, of_app
from checkend.schemas.audit_log import AuditEntrySchema, AuditQuery

bp = Blueprint("audit_log", __name__)
bp.before_request(authenticate)


@bp.get("/audit_log")
@requires("audit:read")
@query(AuditQuery())
@paginated(AuditEntrySchema())
def index(filters: AuditFilter, app: str) -> tuple[Select[Any], int]:
    """List a page of the audit log, newest first, filtered by event, actor, target, app and time."""
    filters = of_app(filters, app)
    return find_entries(filters), count_entries(filters)
