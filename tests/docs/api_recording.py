"""Record the examples of the API reference."""

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask.testing import FlaskClient

import checkend
from checkend.client import ApiError, Client
from checkend.client.connection import ServerConnection
from tests.docs.api_examples import CALLS, REPORTS
from tests.docs.examples import ENDPOINT, prepared_app, without_secrets

EXAMPLES = Path(checkend.__file__).parent / "api" / "openapi" / "examples.json"


class _AppConnection(ServerConnection):
    """Sends requests to the app of ``client``, and keeps the last request and its response."""

    def __init__(self, client: FlaskClient) -> None:
        super().__init__(ENDPOINT)
        self._client = client
        self.exchange: dict[str, Any] = {}

    def _send(
        self, method: str, path: str, body: Any, timeout_seconds: float, extra_headers: dict[str, str]
    ) -> tuple[Any, bytes]:
        response = self._client.open(path, method=method, headers=self._headers | extra_headers, json=body)
        self.exchange = {
            "method": method,
            "path": path,
            "body": body,
            "status": response.status_code,
            "response": response.get_json(silent=True),
        }
        return SimpleNamespace(status=response.status_code, headers=response.headers), response.data

    def call_ingestion(self, report: dict[str, Any], key: str) -> None:
        """Send a report as SDKs do."""
        self.request("POST", "/ingest/v1/errors", report, headers={"Checkend-Ingestion-Key": key})


def record_calls() -> str:
    """Return the content of examples.json: the exchanges of each operation, by the name of its endpoint and method."""
    exchanges: dict[str, list[dict[str, Any]]] = {}
    with prepared_app() as recorder:
        connection = _AppConnection(recorder.client)
        client = Client(ENDPOINT, recorder.variables["CHECKEND_MANAGEMENT_KEY"], retries=0)
        connection._headers = client._connection._headers
        client._connection = connection
        for call in CALLS:
            if call.notifications_sent:
                recorder.send_notifications()
            recorder.clock.advance()
            with pytest.raises(ApiError) if call.title else nullcontext():
                eval(call.python, {"client": client})
            exchange = {"title": call.title, "python": call.python} | connection.exchange
            exchanges.setdefault(_operation(recorder.client, exchange), []).append(exchange)
        for title, report in REPORTS:
            recorder.clock.advance()
            connection.call_ingestion(report, recorder.variables["CHECKEND_API_KEY"])
            exchange = {"title": title, "python": ""} | connection.exchange
            exchanges.setdefault(_operation(recorder.client, exchange), []).append(exchange)
    return without_secrets(json.dumps(exchanges, indent=1, ensure_ascii=False)) + "\n"


def _operation(client: FlaskClient, exchange: dict[str, Any]) -> str:
    path = exchange["path"].partition("?")[0]
    rule, _ = client.application.url_map.bind("").match(path, exchange["method"], return_rule=True)
    return f"{exchange['method']} {rule.rule}"
