"""Taking reports in: ``POST /ingest/v1/errors``."""

import logging
from pathlib import Path

from flask import Flask

from checkend.server import middleware


def register(app: Flask, store: Path) -> None:
    """Register the ingestion routes on ``app``, and what they hand reports to."""
    from checkend.ingest.fast_path import IngestFastPath
    from checkend.ingest.pipeline import Ingestion
    from checkend.ingest.routes import bp

    ingestion = Ingestion(store, app.config)
    app.extensions["checkend_ingestion"] = ingestion
    app.extensions["checkend_shutdown"] = ingestion.close
    app.extensions["checkend_reject_waiting"] = ingestion.writer.reject_waiting
    app.register_blueprint(bp)
    if not middleware.log.isEnabledFor(logging.DEBUG):  # the log of every request is kept by Flask's hooks
        app.wsgi_app = IngestFastPath(app, ingestion)  # type: ignore[method-assign]  # how Flask documents it
