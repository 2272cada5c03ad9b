"""What stands on a view to say who may call it."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import current_app, request

from checkend.auth.api_keys import require_permission
from checkend.auth.permissions import Permission
from checkend.db.transactions import begin_writing

View = TypeVar("View", bound=Callable[..., Any])
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def read_body() -> bytes:
    """The request's body, kept for whoever asks again. Raises RequestEntityTooLarge for more than MAX_BODY_BYTES."""
    request.max_content_length = current_app.config["MAX_BODY_BYTES"]
    return request.get_data()


def requires(permission: str, *, writing: bool = True) -> Callable[[View], View]:
    """Only keys with ``permission`` may call the view; what may change something gets a writing transaction.

    Without ``writing`` the view begins that itself, after what is slow. A body is read before the first question to
    the store: a slow client must not hold up those who wait to write.
    Raises ValueError, when the view is defined, for a permission that does not exist.
    """
    wanted = Permission(permission).value

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            require_permission(wanted)
            if writing and request.method not in SAFE_METHODS:
                begin_writing()
            if hasattr(view, "body"):
                read_body()
            return view(*args, **kwargs)

        guarded.permission = wanted  # type: ignore[attr-defined]  # for the OpenAPI document and the tests
        return guarded  # type: ignore[return-value]  # the same signature as the view

    return decorate
