"""Decorators for views: request body, query parameters, response and pagination.

Each keeps its schema on the view, for the OpenAPI document.
"""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import Response, current_app, jsonify, request
from marshmallow import Schema, ValidationError
from werkzeug.datastructures import MultiDict

from checkend.api.conventions import check_precondition, link_pages
from checkend.api.idempotency import remember
from checkend.auth.decorators import read_body
from checkend.db.session import db
from checkend.exceptions import ApiError
from checkend.log import to_json
from checkend.schemas.base import Query, Resource, format_error_messages
from checkend.schemas.page import Page, PageOnlyQuery
from checkend.schemas.unknown_parameters import unknown_parameters

View = TypeVar("View", bound=Callable[..., Any])
Responding = Callable[..., Response]
PAGE_QUERY = PageOnlyQuery()


def body(schema: Resource, *, partial: bool = False) -> Callable[[View], View]:
    """Pass the request's body to the view as ``data``, as loaded by ``schema``; with ``partial`` no field is required.

    Respond with 400 if it is not a JSON object, 413 if it is too large, 415 for another content type, and 422 for
    invalid fields.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def with_body(*args: Any, **kwargs: Any) -> Any:
            data = _unwrap_root(schema, _json_object())
            try:
                loaded = schema.load(data, partial=partial)
            except ValidationError as error:
                raise ApiError(422, messages=format_error_messages(schema, error)) from None
            return view(*args, **kwargs, data=loaded)

        with_body.body = (schema, partial)  # type: ignore[attr-defined]  # for the OpenAPI document
        return with_body  # type: ignore[return-value]  # the view without `data`

    return decorate


def query(schema: Query) -> Callable[[View], View]:
    """Pass the query parameters to the view as arguments, as loaded by ``schema``.

    Respond with 422 for invalid or unknown parameters. A parameter without a value counts as not given.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def with_query(*args: Any, **kwargs: Any) -> Any:
            messages = unknown_parameters(request.args, schema.parameters)
            values = MultiDict((name, value) for name, value in request.args.items(multi=True) if value)
            try:
                loaded: Any = schema.load(values)
            except ValidationError as error:
                messages += format_error_messages(schema, error)
            if messages:
                raise ApiError(422, messages=messages)
            return view(*args, **kwargs, **loaded)

        with_query.query = schema  # type: ignore[attr-defined]  # for the OpenAPI document
        return with_query  # type: ignore[return-value]  # the view without the arguments that the schema makes

    return decorate


def response(
    schema: Schema | None = None, status: int = 200, *, located: bool = False
) -> Callable[[Callable[..., Any]], Responding]:
    """Respond with the view's result, as dumped by ``schema``, and ``status``; without a schema, with no body.

    With ``located``, send the URL of the new record in ``Location``. A list can be requested as pages. A PATCH or PUT
    whose ``If-Match`` does not match the record is rejected with 412. Other query parameters are rejected with 422,
    unless the view has a `query` decorator.
    """

    def decorate(view: Callable[..., Any]) -> Responding:
        @wraps(view)
        def respond(*args: Any, **kwargs: Any) -> Response:
            has_query = hasattr(current_app.view_functions[str(request.endpoint)], "query")
            page = _requested_page() if schema is not None and schema.many and not has_query else None
            if request.args and not page and not has_query:
                raise ApiError(422, messages=unknown_parameters(request.args, ()))
            if schema is not None and request.method in ("PATCH", "PUT"):
                check_precondition(schema, next(value for name, value in kwargs.items() if name != "data"))
            result = view(*args, **kwargs)
            if schema is None:
                empty = Response(status=status)
                del empty.headers["Content-Type"]
                remember(empty)
                return empty
            db.session.flush()  # `requires` commits later, and only a flush sets columns such as updated_at
            if page is not None:
                rows = result[page.offset : page.offset + page.per_page]
                return _page_response(schema.dump(rows), page, len(result))
            response = jsonify(schema.dump(result))
            response.status_code = status
            if located:
                response.location = f"{request.script_root}{request.path.rstrip('/')}/{response.get_json()['id']}"
                response.autocorrect_location_header = False
            remember(response)
            return response

        respond.response = (schema, status)  # type: ignore[attr-defined]  # for the OpenAPI document
        respond.located = located  # type: ignore[attr-defined]  # also for the OpenAPI document
        return respond

    return decorate


def document(media_type: str) -> Callable[[Callable[..., Response]], Responding]:
    """Respond with the view's own response, which is of ``media_type``. Reject query parameters with 422."""

    def decorate(view: Callable[..., Response]) -> Responding:
        @wraps(view)
        def respond(*args: Any, **kwargs: Any) -> Response:
            if request.args:
                raise ApiError(422, messages=unknown_parameters(request.args, ()))
            return view(*args, **kwargs)

        respond.response = (media_type, 200)  # type: ignore[attr-defined]  # for the OpenAPI document
        return respond

    return decorate


def paginated(schema: Schema) -> Callable[[Callable[..., Any]], Responding]:
    """Respond with one page of the statement that the view returns together with its total number of rows.

    Takes ``page`` from a `query` decorator above it.
    """

    def decorate(view: Callable[..., Any]) -> Responding:
        @wraps(view)
        def respond(*args: Any, page: Page, **kwargs: Any) -> Response:
            statement, total = view(*args, **kwargs)
            rows: list[Any] = []
            if page.offset < total:  # an offset of more than 64 bits would be rejected by SQLite
                rows = list(db.session.scalars(statement.limit(page.per_page).offset(page.offset)))
            return _page_response(schema.dump(rows, many=True), page, total)

        respond.response = (schema, 200)  # type: ignore[attr-defined]  # for the OpenAPI document
        respond.paginated = True  # type: ignore[attr-defined]  # also for the OpenAPI document
        return respond

    return decorate


def _requested_page() -> Page | None:
    """Return the page of a list that is asked for; None for the whole list."""
    if not request.args:
        return None
    if unknown := unknown_parameters(request.args, PAGE_QUERY.parameters):
        raise ApiError(422, messages=unknown)
    given = {name: value for name, value in request.args.items() if value}
    try:
        return PAGE_QUERY.load(given)["page"] if given else None
    except ValidationError as error:
        raise ApiError(422, messages=format_error_messages(PAGE_QUERY, error)) from None


def _page_response(rows: Any, page: Page, total: int) -> Response:
    response = jsonify(data=rows, pagination=page.summary(total))
    link_pages(response, page, total)
    return response


def _json_object() -> dict[str, Any]:
    text = read_body()
    if not text:
        raise ApiError(400, "The request needs a body: a JSON object.")
    if not request.is_json:
        raise ApiError(415, "The body must be sent with the content type application/json.")
    try:
        value = json.loads(text, object_pairs_hook=_object_without_duplicates)
    except (ValueError, RecursionError):
        raise ApiError(400, "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise ApiError(400, "The body must be a JSON object.")
    return value


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object with these names and values. Raise `ApiError` 400 for a name that occurs twice."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ApiError(400, f"The body contains {to_json(name[:100])} twice in one object.")
        found[name] = value
    return found


def _unwrap_root(schema: Resource, data: dict[str, Any]) -> dict[str, Any]:
    """Return the resource in ``data``, which may be wrapped in its root key; the schema rejects keys beside that."""
    for root in schema.roots:
        if root in data:
            resource = data.pop(root)
            if not isinstance(resource, dict):
                raise ApiError(400, f"{root} must be a JSON object.")
            if repeated := sorted(data.keys() & resource.keys()):
                raise ApiError(
                    422, messages=[f"{name} is both in {root} and beside it. Send it once." for name in repeated]
                )
            return data | resource
    return data
