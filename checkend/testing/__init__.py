"""Checkend as a test fixture: a real server for the time of a test, in this process or in its own.

``with Server() as server:`` anywhere; the fixtures ``checkend_server`` and ``checkend`` in pytest. Importing this
package, or the pytest plugin in it, is cheap: everything loads on first use.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from checkend.client.client import ApiError, Client
    from checkend.testing.app import CheckendApp
    from checkend.testing.server import Server


__all__ = ["ApiError", "CheckendApp", "Client", "Server"]

_HOMES = {
    "ApiError": "checkend.client.client",
    "CheckendApp": "checkend.testing.app",
    "Client": "checkend.client.client",
    "Server": "checkend.testing.server",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    if name == "Testing":  # only the Python SDK asks: its modules lie over the server's
        from checkend.server.sdk_conflict import raise_conflict

        raise_conflict()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
