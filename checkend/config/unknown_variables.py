"""Environment variables that begin as Checkend's do, and are none: most often a setting that is misspelled."""

import os
from collections.abc import Mapping
from difflib import get_close_matches

from checkend.config import PREFIX, SETTINGS

# Read by the server's commands, its test fixtures and the SDKs, which often share an environment with the server.
OTHER_VARIABLES = ("INSTANCE_PATH", "MANAGEMENT_KEY", "SERVER", "API_KEY", "ENDPOINT", "ENVIRONMENT")


def unknown_variables(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a warning for each variable ``CHECKEND_…`` that nothing reads, by the variable's name.

    The warnings name the closest variable there is, and never contain values, which may be secret.
    """
    known = [*(setting.name for setting in SETTINGS), *OTHER_VARIABLES]
    found = sorted(name for name in (os.environ if environ is None else environ) if name.startswith(PREFIX))
    return {name: _warning(name, known) for name in found if name.removeprefix(PREFIX) not in known}


def _warning(variable: str, known: list[str]) -> str:
    close = get_close_matches(variable.removeprefix(PREFIX), known, n=1)
    question = f" Did you mean {PREFIX}{close[0]}?" if close else ""
    return f"{variable} is set in the environment, but there is no such setting, so it has no effect.{question}"
