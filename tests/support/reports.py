"""Reports for tests of the dashboard, sent in as an SDK sends them."""

from typing import Any

from flask.testing import FlaskClient


def send(client: FlaskClient, key: str, error_class: str = "RuntimeError", **parts: Any) -> dict[str, Any]:
    """Report an error; ``message``, ``backtrace``, ``tags``, ``occurred_at``, ``fingerprint`` go into the error."""
    named = ("message", "backtrace", "tags", "occurred_at", "fingerprint")
    error = {"class": error_class} | {name: parts.pop(name) for name in named if name in parts}
    answer = client.post("/ingest/v1/errors", json={"error": error, **parts}, headers={"Checkend-Ingestion-Key": key})
    assert answer.status_code == 201, answer.get_data(as_text=True)
    stored: dict[str, Any] = answer.get_json()
    return stored
