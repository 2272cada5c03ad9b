"""The facets of a report: environment, revision, host, user and URL."""

from typing import Any

MAX_VALUE_LENGTH = 200  # characters

_SOURCES = {
    "context": ("environment", "revision", "hostname", "server"),
    "request": ("url", "path"),
    "user": ("id", "email", "name"),
    "notifier": ("revision", "hostname"),
}


def facet_sources(details: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the part of a report's details that `extract_facets` reads."""
    return {
        part: {name: value for name in names if (value := details[part].get(name)) is not None}
        for part, names in _SOURCES.items()
    }


def extract_facets(details: dict[str, dict[str, Any]], default_environment: str | None) -> tuple[tuple[str, str], ...]:
    """Return ``(name, value)`` for each facet that the report has, each of at most `MAX_VALUE_LENGTH` characters."""
    context, request, user, notifier = (details[part] for part in ("context", "request", "user", "notifier"))
    server = context.get("server")
    server = server if isinstance(server, dict) else {}
    url = _text(request.get("url")) or _text(request.get("path"))
    facets = {
        "environment": _text(context.get("environment")) or _text(default_environment),
        "revision": _text(context.get("revision")) or _text(server.get("revision")) or _text(notifier.get("revision")),
        "host": _text(context.get("hostname")) or _text(server.get("hostname")) or _text(notifier.get("hostname")),
        "user": _text(user.get("id")) or _text(user.get("email")) or _text(user.get("name")),
        "url": url.partition("?")[0].partition("#")[0],
    }
    return tuple((name, value) for name, value in facets.items() if value)


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()[:MAX_VALUE_LENGTH]
