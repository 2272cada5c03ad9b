"""The test error that shows whether an app is connected."""

from typing import Any

from checkend import __version__
from checkend.config.urls import public_url
from checkend.db.session import db
from checkend.exceptions import ApiError
from checkend.ingest.exceptions import DatabaseUnavailableError, StorageLimitError, UnknownKeyError
from checkend.ingest.pipeline import ingestion
from checkend.ingest.quota import RETRY_AFTER_SECONDS
from checkend.ingest.reports import IngestResult
from checkend.models import App


def send_test_error(app: App, sent_from: str, user: dict[str, str]) -> IngestResult:
    """Report a test error through ingestion, as an SDK would. Raises `ApiError` if it cannot be stored now."""
    ingestion_key = app.ingestion_key
    db.session.rollback()  # end the read transaction before waiting for the writer
    try:
        return ingestion().accept(ingestion().apps.find(ingestion_key), _report(sent_from, user))
    except StorageLimitError as error:
        raise ApiError(429, str(error), retry_after=RETRY_AFTER_SECONDS) from error
    except (DatabaseUnavailableError, UnknownKeyError) as error:  # the key may just have been regenerated
        raise ApiError(503, "The test error could not be stored. Try again shortly.") from error


def _report(sent_from: str, user: dict[str, str]) -> dict[str, Any]:
    return {
        "error": {
            "class": "Checkend::TestError",
            "message": "This is a test error. If you can read this, your app is connected.",
            "backtrace": [
                "app/checkout.py:42 in pay",
                "app/web.py:17 in handle_request",
            ],
            "tags": ["test"],
        },
        "context": {"environment": "test", "sent_from": sent_from},
        "request": {"url": f"{public_url()}/", "method": "GET"},
        "user": user,
        "notifier": {"name": "checkend-dashboard", "version": __version__, "language": "python"},
    }
