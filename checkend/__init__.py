"""Checkend, a self-hosted error monitor. Importing this package is cheap: ``create_app`` loads on first use."""

from typing import TYPE_CHECKING, Any

from checkend._version import __version__

if TYPE_CHECKING:
    from checkend.app import create_app

__all__ = ["__version__", "create_app"]


def __getattr__(name: str) -> Any:
    if name == "create_app":
        from checkend.app import create_app

        return create_app
    from checkend.server.sdk_conflict import SDK_NAMES, explain_missing_name

    if name in SDK_NAMES:
        raise AttributeError(explain_missing_name(name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
