"""Decorators for the views of the Management API: the permission a view requires, and its write transaction."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import current_app, request

from checkend.auth.api_keys import require_permission
from checkend.auth.permissions import Permission
from checkend.db.transactions import write_transaction

View = TypeVar("View", bound=Callable[..., Any])
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def read_body() -> bytes:
    """Return the request's body, which stays available. Raises RequestEntityTooLarge beyond MAX_BODY_BYTES."""
    request.max_content_length = current_app.config["MAX_BODY_BYTES"]
    return request.get_data()


def requires(permission: str, *, writing: bool = True, all_apps: bool = False) -> Callable[[View], View]:
    """Authorize the API key for ``permission``; run a view that may change something in a write transaction.

    The transaction commits when the view returns and rolls back when it raises. With ``writing=False`` the view opens
    it itself, after its slow work. A body is received before the transaction begins: a client that sends slowly must
    not keep others from writing. With ``all_apps``, keys that are restricted to certain apps are rejected.

    Raises ValueError, when the view is defined, for a permission that does not exist.
    """
    required = Permission(permission).value

    def decorate(view: View) -> View:
        @wraps(view)
        def authorized(*args: Any, **kwargs: Any) -> Any:
            require_permission(required, all_apps=all_apps)
            if hasattr(view, "body"):
                read_body()
            if not writing or request.method in SAFE_METHODS:
                return view(*args, **kwargs)
            with write_transaction():
                return view(*args, **kwargs)

        authorized.permission = required  # type: ignore[attr-defined]  # for the OpenAPI document and the tests
        return authorized  # type: ignore[return-value]  # the same signature as the view

    return decorate
