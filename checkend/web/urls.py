"""Addresses that leave the page: in mail, in snippets, on the clipboard."""

from typing import Any

from flask import current_app, request, url_for


def public_url() -> str:
    """Where this server is reached: the setting ``URL``, else as this request called it. Without a slash at the end."""
    configured: str = current_app.config["URL"]
    return configured or request.url_root.rstrip("/")


def full_url(endpoint: str, **values: Any) -> str:
    """The whole address of a page."""
    return public_url() + url_for(endpoint, **values).removeprefix(request.script_root)


def redirect_path(path: str) -> str:
    """Return ``path``, as the application knows it, for a Location header."""
    return request.script_root + path
