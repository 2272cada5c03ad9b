"""Checkend as a test fixture: a real server for the duration of a test, in this process or in its own.

Use ``with Server() as server:`` anywhere, and the fixtures ``checkend_server`` and ``checkend`` in pytest. This package
and the pytest plugin in it are cheap to import: everything is loaded on first use.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from checkend.client import ApiError, Client
    from checkend.testing.app import CheckendApp
    from checkend.testing.server import Server


__all__ = ["ApiError", "CheckendApp", "Client", "Server"]

_MODULES = {
    "ApiError": "checkend.client",
    "CheckendApp": "checkend.testing.app",
    "Client": "checkend.client",
    "Server": "checkend.testing.server",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(_MODULES[name]), name)
    if name == "Testing":  # requested only by the Python SDK, when its modules overwrite the server's
        from checkend.server.sdk_conflict import raise_conflict

        raise_conflict()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
