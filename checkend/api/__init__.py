"""The Management API under ``/api/v1``: one blueprint per resource."""

from flask import Flask


def register(app: Flask) -> None:
    """Register every blueprint of the API on ``app``."""
    from checkend.api import health

    for blueprint in (health.bp,):
        app.register_blueprint(blueprint, url_prefix="/api/v1")
