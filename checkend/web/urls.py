"""Absolute URLs, for use outside of a page: in mail, in snippets and on the clipboard."""

from typing import Any

from flask import request, url_for

from checkend.config.urls import public_url


def full_url(endpoint: str, **values: Any) -> str:
    """Return the absolute URL of a page."""
    return public_url() + url_for(endpoint, **values).removeprefix(request.script_root)


def redirect_path(path: str) -> str:
    """Return ``path``, as the application knows it, for a Location header."""
    return request.script_root + path
