"""The level of a report: how severe its error is."""

from typing import Any, Literal, get_args

Level = Literal["debug", "info", "warning", "error", "fatal"]

LEVELS: tuple[Level, ...] = get_args(Level)  # from the least to the most severe
DEFAULT_LEVEL: Level = "error"
_NAMES: dict[str, Level] = {
    "fatal": "fatal",
    "critical": "fatal",
    "emergency": "fatal",
    "alert": "fatal",
    "error": "error",
    "warning": "warning",
    "warn": "warning",
    "notice": "info",
    "info": "info",
    "debug": "debug",
}


def extract_level(details: dict[str, dict[str, Any]]) -> Level:
    """Return the level in a report's details, by its usual names; `DEFAULT_LEVEL` if there is none that is known."""
    context = details["context"]
    error = context.get("error")
    sources = (context, error) if isinstance(error, dict) else (context,)
    for source in sources:
        for name in ("level", "severity"):
            value = source.get(name)
            if isinstance(value, str) and (level := _NAMES.get(value[:20].strip().lower())):
                return level
    return DEFAULT_LEVEL
