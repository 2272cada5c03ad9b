"""What stands on a view to say who may call it."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import request

from checkend.auth.api_keys import require
from checkend.extensions import begin_writing
from checkend.permissions import Permission

View = TypeVar("View", bound=Callable[..., Any])
READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def requires(permission: str) -> Callable[[View], View]:
    """Only keys with ``permission`` may call the view; what may change something gets a writing transaction.

    Raises ValueError, when the view is defined, for a permission that does not exist.
    """
    wanted = Permission(permission).value

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            require(wanted)
            if request.method not in READING_METHODS:
                begin_writing()
            return view(*args, **kwargs)

        guarded.permission = wanted  # type: ignore[attr-defined]  # for the OpenAPI document and the tests
        return guarded  # type: ignore[return-value]  # the same signature as the view

    return decorate
