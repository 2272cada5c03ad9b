"""Warnings about variables that begin with ``CHECKEND_`` but have no effect, usually misspelled settings."""

import os
from collections.abc import Mapping
from difflib import get_close_matches

from checkend.config import PREFIX, SETTINGS

# Variables of the commands, the test fixtures and the SDKs, which often share an environment with the server.
OTHER_VARIABLES = ("INSTANCE_PATH", "MANAGEMENT_KEY", "SERVER", "API_KEY", "ENDPOINT", "ENVIRONMENT")


def unknown_variables(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a warning for each variable ``CHECKEND_…`` that nothing reads, by the variable's name.

    The warnings name the closest known variable, and never contain values, which may be secret.
    """
    known = [*(setting.name for setting in SETTINGS), *OTHER_VARIABLES]
    warnings = {}
    for variable in sorted(os.environ if environ is None else environ):
        name = variable.removeprefix(PREFIX)
        if variable.startswith(PREFIX) and name not in known:
            close = get_close_matches(name, known, n=1)
            question = f" Did you mean {PREFIX}{close[0]}?" if close else ""
            warnings[variable] = (
                f"{variable} is set in the environment, but it is not a setting and has no effect.{question}"
            )
    return warnings
