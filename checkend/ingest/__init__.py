"""Taking reports in: ``POST /ingest/v1/errors``."""

from pathlib import Path

from flask import Flask


def register(app: Flask, store: Path) -> None:
    """Register the ingestion routes on ``app``, and what they hand reports to."""
    from checkend.ingest.routes import bp
    from checkend.ingest.service import Ingestion

    ingestion = Ingestion(store, app.config)
    app.extensions["checkend_ingestion"] = ingestion
    app.extensions["checkend_shutdown"] = ingestion.close
    app.register_blueprint(bp)
