"""Paths for Location headers."""

from flask import request


def redirect_path(path: str) -> str:
    """Return ``path``, as the application knows it, for a Location header."""
    return request.script_root + path
