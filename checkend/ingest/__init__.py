"""Receive, scrub, group and store reports: ``POST /ingest/v1/errors``."""

import logging
from pathlib import Path

from flask import Flask

from checkend.server import middleware


def register(app: Flask, database: Path) -> None:
    """Register the ingestion routes on ``app``, and create the `Ingestion` that stores reports in ``database``."""
    from checkend.ingest.fast_path import IngestFastPath
    from checkend.ingest.pipeline import Ingestion
    from checkend.ingest.routes import bp

    ingestion = Ingestion(database, app.config)
    app.extensions["checkend_ingestion"] = ingestion
    app.extensions["checkend_shutdown"] = ingestion.close
    app.extensions["checkend_reject_waiting"] = ingestion.writer.queue.reject_pending
    app.register_blueprint(bp)
    if not middleware.log.isEnabledFor(logging.DEBUG):  # Flask's hooks log every request at that level
        app.wsgi_app = IngestFastPath(app, ingestion)  # type: ignore[method-assign]  # how Flask documents it
