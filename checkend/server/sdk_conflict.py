"""The Python SDK and this server are both imported as ``checkend``: detect that they share an environment.

pip installs both into one folder, and the one installed last provides ``checkend/__init__.py``; the other modules of
both remain. This module imports nothing else of the package, because the other modules may be the SDK's.
"""

import sys
from pathlib import Path
from types import TracebackType
from typing import NoReturn

SDK_MODULE = "notice_builder.py"  # part of the SDK, but of no version of the server
SDK_NAMES = frozenset(
    """configure notify notify_sync set_context get_context set_user get_user set_request get_request clear flush stop
    reset get_configuration Configuration Testing""".split()
)
CONFLICT = (
    "The Python SDK (the distribution 'checkend') and checkend-server are installed in the same environment, and have "
    "overwritten each other's files. Run `pip uninstall checkend checkend-server`, then install the one that you need "
    "here. Both are imported as `checkend`, so each needs a virtual environment of its own."
)
SERVER_ONLY = (
    "Where you need the Python SDK (the distribution 'checkend'), install it without checkend-server: both are "
    "imported as `checkend`, so each needs a virtual environment of its own."
)


class SdkConflictError(ImportError):
    """The SDK and the server share an environment. If uncaught, its message is printed without a traceback."""


def is_installed() -> bool:
    """Return whether the SDK's modules are installed among the server's."""
    return (Path(__file__).parent.parent / SDK_MODULE).exists()


def check() -> None:
    """Raise `SdkConflictError` if the SDK's modules are installed among the server's."""
    if is_installed():
        raise_conflict()


def raise_conflict() -> NoReturn:
    """Raise `SdkConflictError`, and make Python print its message without a traceback if nothing catches it."""
    print_others = sys.excepthook

    def print_message(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if isinstance(error, SdkConflictError):
            print(f"checkend: {error}", file=sys.stderr)
        else:
            print_others(kind, error, traceback)

    sys.excepthook = print_message
    raise SdkConflictError(CONFLICT)


def explain_missing_name(name: str) -> str:
    """Return why the server does not define ``name``, one of `SDK_NAMES`, and what to do."""
    advice = CONFLICT if is_installed() else SERVER_ONLY
    return f"checkend.{name} belongs to the Python SDK, but `checkend` is the Checkend server here. {advice}"
