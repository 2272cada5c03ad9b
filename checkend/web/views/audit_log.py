"""The audit log, for site admins: a page with filters, and the export."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any

from flask import Response, abort, render_template, request, stream_with_context
from marshmallow import ValidationError

from checkend.auth.roles import Capability
from checkend.db.session import db
from checkend.exceptions import DomainError
from checkend.log import to_json
from checkend.models.audit_events import SENTENCES, actor_name, predicate
from checkend.models.audit_query import AuditFilter, count_entries, find_entries, iterate_entries, of_app
from checkend.schemas.audit_log import AuditEntrySchema, AuditFilterQuery
from checkend.schemas.base import format_error_messages
from checkend.web.pages import page_number, signed_in_blueprint

PER_PAGE = 50
LINES_PER_CHUNK = 100

bp = signed_in_blueprint("audit_log", capability=Capability.READ_AUDIT_LOG)


@dataclass(slots=True)
class AuditQuery:
    """A requested part of the log: the query parameters, and the filter that they stand for if there are no errors."""

    params: dict[str, str]
    filters: AuditFilter = field(default_factory=AuditFilter)
    errors: list[str] = field(default_factory=list)


@bp.get("/audit-log")
def index() -> tuple[str, int]:
    """List the entries, newest first, filtered by query parameters."""
    query, page = _read_query(), page_number()
    total = 0 if query.errors else count_entries(query.filters)
    statement = find_entries(query.filters).limit(PER_PAGE).offset((page - 1) * PER_PAGE)
    entries = list(db.session.scalars(statement)) if total else []
    html = render_template(
        "audit_log.html",
        query=query,
        rows=[(entry, actor_name(entry), predicate(entry)) for entry in entries],
        total=total,
        page=page,
        per_page=PER_PAGE,
        groups={group: list(events) for group, events in groupby(SENTENCES, lambda event: event.partition(".")[0])},
    )
    return html, 422 if query.errors else 200


@bp.get("/audit-log.jsonl")
def export() -> Response:
    """Send the entries that match the filter as JSON, one on each line, newest first."""
    query = _read_query()
    if query.errors:
        abort(400, " ".join(query.errors))
    response = Response(stream_with_context(_lines(query.filters)), mimetype="application/jsonl")
    response.headers["Content-Disposition"] = 'attachment; filename="audit-log.jsonl"'
    return response


def _lines(filters: AuditFilter) -> Iterator[str]:
    schema, entries = AuditEntrySchema(), iterate_entries(filters)
    while chunk := list(islice(entries, LINES_PER_CHUNK)):
        yield "".join(to_json(row) + "\n" for row in schema.dump(chunk, many=True))


def _read_query() -> AuditQuery:
    """Parse the filter from the query parameters; unknown ones are ignored."""
    schema = AuditFilterQuery()
    query = AuditQuery({name: text for name in schema.fields if (text := request.args.get(name, "").strip())})
    try:
        values: dict[str, Any] = schema.load(query.params)
        app = values.pop("app", "")
        query.filters = of_app(AuditFilter(**values), app)
    except ValidationError as error:
        query.errors = format_error_messages(schema, error)
    except DomainError as error:
        query.errors = [str(error)]
    return query
