"""The dashboard."""

from flask import Flask


def register(app: Flask) -> None:
    """Register the dashboard's blueprints on ``app``."""
    app.template_folder = "web/templates"
