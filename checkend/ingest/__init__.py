"""Taking reports in: ``POST /ingest/v1/errors``."""

from pathlib import Path

from flask import Flask


def register(app: Flask, store: Path) -> None:
    """Register the ingestion routes on ``app``."""
    app.extensions["checkend_shutdown"] = lambda: None
