"""What stands on a view to say what it takes and gives. Each notes its schema on the view, for the OpenAPI document."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import Response, current_app, jsonify, request
from marshmallow import Schema, ValidationError
from sqlalchemy import Select
from werkzeug.datastructures import MultiDict

from checkend.auth.decorators import read_body
from checkend.db.session import db
from checkend.exceptions import ApiError
from checkend.schemas.base import Query, Resource, format_error_messages
from checkend.schemas.page import Page
from checkend.schemas.unknown_parameters import unknown_parameters

View = TypeVar("View", bound=Callable[..., Any])
Responding = Callable[..., Response]


def body(schema: Resource, *, partial: bool = False) -> Callable[[View], View]:
    """The view gets the request's body, read by ``schema``, as ``data``; with ``partial`` no field is required.

    Answers 400 for what is no JSON object, 413 when it is too large, 415 for another type, 422 for wrong fields.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def reading(*args: Any, **kwargs: Any) -> Any:
            return view(*args, **kwargs, data=_load(schema, _unwrap_root(schema, _json_object()), partial=partial))

        reading.body = (schema, partial)  # type: ignore[attr-defined]  # for the OpenAPI document
        return reading  # type: ignore[return-value]  # the view without `data`

    return decorate


def query(schema: Query) -> Callable[[View], View]:
    """Pass what ``schema`` makes of the query parameters to the view as arguments; 422 for invalid or unknown ones.

    Parameters without a value count as not given.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def reading(*args: Any, **kwargs: Any) -> Any:
            return view(*args, **kwargs, **_load_parameters(schema))

        reading.query = schema  # type: ignore[attr-defined]  # for the OpenAPI document
        return reading  # type: ignore[return-value]  # the view without what the schema makes

    return decorate


def response(schema: Schema | None = None, status: int = 200) -> Callable[[Callable[..., Any]], Responding]:
    """What the view returns is answered as ``schema`` shows it, with ``status``; without a schema, with no body.

    Query parameters are rejected with 422, unless a `query` above it accepts some.
    """

    def decorate(view: Callable[..., Any]) -> Responding:
        @wraps(view)
        def answering(*args: Any, **kwargs: Any) -> Response:
            if request.args and not hasattr(current_app.view_functions[str(request.endpoint)], "query"):
                raise ApiError(422, messages=unknown_parameters(request.args, ()))
            result = view(*args, **kwargs)
            if schema is None:
                empty = Response(status=status)
                del empty.headers["Content-Type"]
                return empty
            answer = jsonify(schema.dump(result))
            answer.status_code = status
            return answer

        answering.response = (schema, status)  # type: ignore[attr-defined]  # for the OpenAPI document
        return answering

    return decorate


def paginated(schema: Schema) -> Callable[[Callable[..., Any]], Responding]:
    """The view returns a statement and how many rows it finds in all; answered is the page asked for.

    Takes ``page`` from a `query` above it.
    """

    def decorate(view: Callable[..., Any]) -> Responding:
        @wraps(view)
        def answering(*args: Any, page: Page, **kwargs: Any) -> Response:
            statement, total = view(*args, **kwargs)
            return jsonify(data=schema.dump(_rows(statement, page, total), many=True), pagination=page.summary(total))

        answering.response = (schema, 200)  # type: ignore[attr-defined]  # for the OpenAPI document
        answering.paginated = True  # type: ignore[attr-defined]
        return answering

    return decorate


def _rows(statement: Select[Any], page: Page, total: int) -> list[Any]:
    if page.offset >= total:  # also keeps numbers beyond SQLite's out of the statement
        return []
    return list(db.session.scalars(statement.limit(page.per_page).offset(page.offset)))


def _load(schema: Schema, data: Any, **options: Any) -> Any:
    try:
        return schema.load(data, **options)
    except ValidationError as error:
        raise ApiError(422, messages=format_error_messages(schema, error)) from None


def _load_parameters(schema: Query) -> Any:
    messages = unknown_parameters(request.args, schema.parameters)
    given = MultiDict((name, value) for name, value in request.args.items(multi=True) if value)
    try:
        loaded = schema.load(given)
    except ValidationError as error:
        messages += format_error_messages(schema, error)
    if messages:
        raise ApiError(422, messages=messages)
    return loaded


def _json_object() -> dict[str, Any]:
    text = read_body()
    if not text:
        raise ApiError(400, "The request needs a body: a JSON object.")
    if not request.is_json:
        raise ApiError(415, "The body must be sent with the content type application/json.")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ApiError(400, "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise ApiError(400, "The body must be a JSON object.")
    return value


def _unwrap_root(schema: Resource, sent: dict[str, Any]) -> dict[str, Any]:
    """The resource in ``sent``, which may hold it under its root key; what stands beside that key stays a fault."""
    for root in schema.roots:
        if root in sent:
            inner = sent.pop(root)
            if not isinstance(inner, dict):
                raise ApiError(400, f"{root} must be a JSON object.")
            return sent | inner
    return sent
