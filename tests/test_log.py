"""The content of logs, and what they must not contain."""

import http.client
import json
import re
import signal
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.server.test_lifecycle import running
from tests.support.server_process import command

pytestmark = pytest.mark.slow

WRONG_INGESTION_KEY = "cki_wrong-wrong-wrong-wrong"
WRONG_API_KEY = "cka_0123456789_wrong-wrong-wrong"
NEVER = ["PASSWORD-1", "PASSWORD-2", "PASSWORD-3", "CONTENT-1", "CONTENT-2", "CONTENT-3", "CONTENT-4"]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
REPORT = {
    "error": {"class": "E", "message": "CONTENT-1", "backtrace": ["CONTENT-2"]},
    "context": {"a": "CONTENT-3"},
    "user": {"email": "CONTENT-4"},
}


def requests(ingestion_key: str, api_key: str) -> list[tuple[str, str, Any, dict[str, str], int]]:
    """Return requests of every kind: method, path, body, headers and expected status."""
    ingest, users = "/ingest/v1/errors", "/api/v1/users"
    user = {"email_address": "new@example.com", "password": "PASSWORD-1"}
    return [
        ("POST", ingest, REPORT, {"Checkend-Ingestion-Key": ingestion_key}, 201),
        ("POST", f"{ingest}?key={ingestion_key}", REPORT, {}, 201),
        ("POST", ingest, REPORT, {"Checkend-Ingestion-Key": WRONG_INGESTION_KEY}, 401),
        ("POST", f"{ingest}?key={WRONG_INGESTION_KEY}", REPORT, {}, 401),
        ("POST", ingest, '{"error": CONTENT-1}', {"Checkend-Ingestion-Key": ingestion_key}, 400),
        ("POST", ingest, {"context": "CONTENT-2"}, {"Checkend-Ingestion-Key": ingestion_key}, 422),
        ("GET", users, None, {"Checkend-API-Key": WRONG_API_KEY}, 401),
        ("POST", users, user, {"Checkend-API-Key": api_key}, 201),
        ("POST", users, user | {"password": "PASSWORD-2", "site": 1}, {"Checkend-API-Key": api_key}, 422),
        ("POST", users, user, {"Checkend-API-Key": api_key}, 422),
        ("POST", "/sign-in", urlencode({"email_address": "a@example.com", "password": "PASSWORD-3"}), FORM, 0),
    ]


@pytest.mark.parametrize("runner", ["checkend serve", "flask run"])
def test_logs_contain_no_keys_passwords_or_report_contents(runner: str, tmp_path: Path) -> None:
    ingestion_key = command(tmp_path, "app", "create", "Shop")["ingestion_key"]
    api_key = command(tmp_path, "api-key", "create", "all", "--all")["key"]
    asked = requests(ingestion_key, api_key)
    with running(tmp_path, runner, LOG_LEVEL="debug", LOG_FORMAT="json") as (process, port):
        with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            for method, path, body, headers, status in asked:
                data = body if isinstance(body, str | None) else json.dumps(body)
                sent = {} if isinstance(body, str | None) else {"Content-Type": "application/json"}
                connection.request(method, path, data, sent | headers)
                answer = connection.getresponse()
                text = answer.read()
                assert status in (0, answer.status), text
        process.send_signal(signal.SIGTERM)
        log, _ = process.communicate(timeout=15)
    found = [secret for secret in [*NEVER, ingestion_key, api_key, WRONG_INGESTION_KEY, WRONG_API_KEY] if secret in log]
    assert not found, log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert all(line.keys() >= {"time", "level", "logger", "message"} for line in lines)
    of_requests = [line["message"] for line in lines if line["logger"] == "checkend.access"]
    assert len([line for line in of_requests if "/api/v1/health" not in line]) == len(asked)
    refusals = [line["message"] for line in lines if line["message"].startswith("rejected ")]
    expected = [f"{method} {path.partition('?')[0]}: {status}" for method, path, *_, status in asked if status >= 400]
    assert [re.sub(r"rejected (\S+ \S+: \d+).*", r"\1", line) for line in refusals][: len(expected)] == expected


def test_a_text_log_has_one_line_per_rejected_request_and_none_for_successful_ones(tmp_path: Path) -> None:
    with running(tmp_path) as (process, port):
        with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            connection.request("GET", "/api/v1/apps", headers={"Checkend-API-Key": WRONG_API_KEY})
            connection.getresponse().read()
        process.send_signal(signal.SIGTERM)
        log, _ = process.communicate(timeout=15)
    (line,) = [line for line in log.splitlines() if "/api/v1/" in line]
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    message = "rejected GET /api/v1/apps: 401 Invalid or revoked API key request_id=[0-9a-f]{16}"
    assert re.fullmatch(f"{time} INFO checkend.errors {message}", line)
