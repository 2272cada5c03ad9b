"""Receive, scrub, group and store reports: ``POST /ingest/v1/errors``."""

from flask import Flask


def register(app: Flask) -> None:
    """Register the ingestion routes on ``app``."""
    from checkend.ingest.routes import bp

    app.register_blueprint(bp)
