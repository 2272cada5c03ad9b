"""Reports of every official SDK are stored completely, and their frames are parsed."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.factories import Factory
from tests.support.sdk_payloads import ALL, GO, Sent

Headers = Callable[..., dict[str, str]]


def read_back(client: FlaskClient, headers: dict[str, str], app_id: int, response: Any) -> tuple[Any, Any]:
    problem = f"/api/v1/apps/{app_id}/problems/{response['problem_id']}"
    return (
        client.get(problem, headers=headers).get_json(),
        client.get(f"{problem}/notices/{response['id']}", headers=headers).get_json(),
    )


@pytest.mark.parametrize("sent", ALL, ids=lambda sent: sent.sdk)
def test_a_report_is_stored_completely_and_its_frames_are_parsed(
    client: FlaskClient, make: Factory, key_for: Headers, sent: Sent
) -> None:
    app = make.app()
    response = client.post(
        "/ingest/v1/errors", json=sent.body, headers={"Checkend-Ingestion-Key": app["ingestion_key"]}
    )
    assert response.status_code == 201
    body = response.get_json()
    assert isinstance(body["id"], int)
    assert isinstance(body["problem_id"], int)
    assert (body["deduplicated"], body["occurrence_count"]) == (False, 1)

    problem, notice = read_back(client, key_for(), app["id"], body)
    assert (problem["error_class"], problem["error_message"]) == (sent.error_class, sent.error_message)
    assert [tag["name"] for tag in problem["tags"]] == sent.tags
    assert (notice["error_class"], notice["error_message"]) == (sent.error_class, sent.error_message)
    assert [(f["file"], f["line"], f["method"]) for f in notice["backtrace"]] == sent.frames
    assert notice["context"] == sent.context
    assert notice["request"] == sent.request
    assert notice["user_info"] == sent.user_info
    assert notice["notifier"] == sent.body["notifier"]
    if sent.occurred_at:
        assert notice["occurred_at"] == sent.occurred_at


def test_a_null_backtrace_is_empty(client: FlaskClient, make: Factory, key_for: Headers) -> None:
    app = make.app()
    body = {**GO.body, "error": {**GO.body["error"], "backtrace": None}}
    response = client.post("/ingest/v1/errors", json=body, headers={"Checkend-Ingestion-Key": app["ingestion_key"]})
    _, notice = read_back(client, key_for(), app["id"], response.get_json())
    assert notice["backtrace"] == []


def test_unknown_parts_are_kept_in_the_context(client: FlaskClient, make: Factory, key_for: Headers) -> None:
    app = make.app()
    body = {
        "error": {"class": "E", "message": "m", "cause": {"class": "Inner"}, "severity": 3},
        "context": {"environment": "staging"},
        "environment": "production",
        "breadcrumbs": [{"type": "click"}],
    }
    response = client.post("/ingest/v1/errors", json=body, headers={"Checkend-Ingestion-Key": app["ingestion_key"]})
    _, notice = read_back(client, key_for(), app["id"], response.get_json())
    assert notice["context"] == {
        "environment": "staging",
        "report": {"environment": "production"},
        "breadcrumbs": [{"type": "click"}],
        "error": {"cause": {"class": "Inner"}, "severity": 3},
    }


def test_different_values_under_both_names_of_a_part_are_kept(
    client: FlaskClient, make: Factory, key_for: Headers
) -> None:
    app = make.app()
    body = {"error_class": "E", "message": "short", "error_message": "long", "user": {"id": 1}, "user_info": {"id": 2}}
    response = client.post("/ingest/v1/errors", json=body, headers={"Checkend-Ingestion-Key": app["ingestion_key"]})
    _, notice = read_back(client, key_for(), app["id"], response.get_json())
    assert (notice["error_message"], notice["user_info"]) == ("short", {"id": 1})
    assert notice["context"] == {"error_message": "long", "user_info": {"id": 2}}
