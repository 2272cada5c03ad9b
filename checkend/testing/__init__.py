"""Checkend as a test fixture: a real server for the time of a test, in this process or in its own.

``with Server() as server:`` anywhere; the fixtures ``checkend_server`` and ``checkend`` in pytest. Importing this
package, or the pytest plugin in it, is cheap: everything loads on first use.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from checkend.testing.client import ApiRefused, Client
    from checkend.testing.handle import CheckendApp
    from checkend.testing.server import Server

USER_AGENT = "checkend-testing"  # of the test's own requests, which the journal leaves out

__all__ = ["ApiRefused", "CheckendApp", "Client", "Server"]

_HOMES = {"ApiRefused": "client", "CheckendApp": "handle", "Client": "client", "Server": "server"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"checkend.testing.{_HOMES[name]}"), name)
    if name == "Testing":  # only the Python SDK asks: its modules lie over the server's
        from checkend.sdk_conflict import refuse

        refuse()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
