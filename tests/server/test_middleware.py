"""The order of the WSGI middleware."""

from typing import Any

import pytest
from flask import Flask, request_started
from flask.testing import FlaskClient

from tests.support.factories import Factory

REPORT = {"error": {"class": "E", "message": "m"}}


@pytest.mark.parametrize("path", ["/ingest/v1/errors", "//ingest/v1/errors", "///ingest/v1/errors"])
def test_a_report_takes_the_fast_path_whatever_the_number_of_slashes(
    app: Flask, client: FlaskClient, make: Factory, path: str
) -> None:
    headers = {"Checkend-Ingestion-Key": make.app()["ingestion_key"]}
    assert client.post("/ingest/v1/errors", json=REPORT, headers=headers).status_code == 201  # learns the key
    reached_flask: list[Any] = []
    request_started.connect(reached_flask.append, app, weak=False)
    response = client.post("/", json=REPORT, headers=headers, environ_overrides={"PATH_INFO": path})
    assert response.status_code == 201
    assert reached_flask == []
