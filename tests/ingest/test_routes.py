"""POST /ingest/v1/errors: accepted and rejected reports, and the responses."""

import gzip
import json
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from checkend.app import create_app
from checkend.models import App
from checkend.models.selection import delete_problems
from checkend.services import services
from tests.support.factories import Factory

URL = "/ingest/v1/errors"
Headers = Callable[..., dict[str, str]]
Report = Callable[..., TestResponse]


def error(message: str = "boom", line: int = 7, **more: Any) -> dict[str, Any]:
    trace = [f"/srv/app.py:{line} in fail"]
    return {"error": {"class": "RuntimeError", "message": message, "backtrace": trace, **more}}


@pytest.fixture
def shop(make: Factory) -> dict[str, Any]:
    return make.app("Shop")


@pytest.fixture
def report(client: FlaskClient, shop: dict[str, Any]) -> Report:
    """Provide a function that sends a report with the shop's key; keyword arguments are passed to the test client."""

    def send(body: Any = None, **options: Any) -> TestResponse:
        headers = {"Checkend-Ingestion-Key": shop["ingestion_key"], **options.pop("headers", {})}
        if body is not None:
            options["json"] = body
        return client.post(URL, headers=headers, **options)

    return send


@pytest.fixture
def problems(client: FlaskClient, shop: dict[str, Any], key_for: Headers) -> Callable[[], list[Any]]:
    headers = key_for()
    return lambda: client.get(f"/api/v1/apps/{shop['id']}/problems", headers=headers).get_json()["data"]


class TestAuthentication:
    @pytest.mark.parametrize("headers", [{}, {"Checkend-Ingestion-Key": ""}, {"Checkend-Ingestion-Key": "nobody's"}])
    def test_without_a_known_key_is_401(self, client: FlaskClient, headers: dict[str, str]) -> None:
        response = client.post(URL, json=error(), headers=headers)
        assert (response.status_code, response.get_json()) == (401, {"error": "Invalid or missing ingestion key"})

    def test_an_api_key_is_rejected_with_an_explanation(self, client: FlaskClient, key_for: Headers) -> None:
        value = key_for()["Checkend-API-Key"]
        response = client.post(URL, json=error(), headers={"Checkend-Ingestion-Key": value})
        assert response.status_code == 401
        assert "ingestion key" in response.get_json()["error"]

    def test_the_key_may_be_in_the_url(self, client: FlaskClient, shop: dict[str, Any]) -> None:
        assert client.post(f"{URL}?key={shop['ingestion_key']}", json=error()).status_code == 201

    def test_a_regenerated_key_takes_effect_at_once(
        self, client: FlaskClient, shop: dict[str, Any], report: Report, key_for: Headers
    ) -> None:
        assert report(error()).status_code == 201
        fresh = client.post(f"/api/v1/apps/{shop['id']}/regenerate_ingestion_key", headers=key_for()).get_json()
        assert report(error("other", 9)).status_code == 401
        assert report({"nonsense": 1}).status_code == 401
        headers = {"Checkend-Ingestion-Key": fresh["ingestion_key"]}
        assert client.post(URL, json=error(), headers=headers).status_code == 201

    @pytest.mark.parametrize("data", [b"{", b" " * 1_048_577, b"{}"])
    def test_an_outdated_key_gets_401_whatever_the_body(
        self, client: FlaskClient, shop: dict[str, Any], report: Report, key_for: Headers, data: bytes
    ) -> None:
        assert report(error()).status_code == 201
        client.post(f"/api/v1/apps/{shop['id']}/regenerate_ingestion_key", headers=key_for())
        assert report(data=data, content_type="application/json").status_code == 401

    def test_nothing_is_stored_for_an_app_that_was_deleted(
        self, client: FlaskClient, shop: dict[str, Any], report: Report, key_for: Headers
    ) -> None:
        assert report(error()).status_code == 201
        assert client.delete(f"/api/v1/apps/{shop['id']}", headers=key_for()).status_code == 204
        assert report(error()).status_code == 401


class TestBodies:
    @pytest.mark.parametrize(
        ("data", "status"),
        [(b"{", 400), (b"", 400), (b"[]", 400), (b"null", 400), (b'"text"', 400), (b"[" * 100_000, 400)],
    )
    def test_a_body_other_than_a_json_object_is_400(self, report: Report, data: bytes, status: int) -> None:
        response = report(data=data, content_type="application/json")
        assert response.status_code == status
        assert list(response.get_json()) == ["error"]

    @pytest.mark.parametrize("body", [{}, {"error": {}}, {"error": {"class": " "}}, {"error_class": None}])
    def test_without_a_class_is_422(self, report: Report, body: Any) -> None:
        response = report(body)
        assert (response.status_code, response.get_json()) == (422, {"error": "error.class is required"})

    @pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "text/plain", "", "application/vnd.x+json"])
    def test_json_is_accepted_with_other_content_types(self, report: Report, kind: str) -> None:
        assert report(data=json.dumps(error()), content_type=kind).status_code == 201

    @pytest.mark.parametrize("kind", ["application/xml", "application/x-www-form-urlencoded", "multipart/form-data"])
    def test_other_content_types_are_415(self, report: Report, kind: str) -> None:
        assert report(data=json.dumps(error()), content_type=kind).status_code == 415

    def test_gzip_is_decompressed(self, report: Report) -> None:
        data = gzip.compress(json.dumps(error()).encode())
        response = report(data=data, content_type="application/json", headers={"Content-Encoding": "gzip"})
        assert response.status_code == 201

    @pytest.mark.parametrize("data", [b"no gzip", gzip.compress(b"{}", mtime=0)[:-6]], ids=["none", "cut"])
    def test_broken_gzip_is_400(self, report: Report, data: bytes) -> None:
        response = report(data=data, content_type="application/json", headers={"Content-Encoding": "gzip"})
        assert response.status_code == 400

    def test_the_size_limit_applies_after_decompression(self, report: Report) -> None:
        data = gzip.compress(b" " * 2_000_000)
        assert len(data) < 10_000
        response = report(data=data, content_type="application/json", headers={"Content-Encoding": "gzip"})
        assert response.status_code == 413

    def test_a_body_over_the_limit_is_413(self, report: Report) -> None:
        assert report(data=b" " * 1_048_577, content_type="application/json").status_code == 413

    def test_raw_control_characters_in_strings_are_accepted(
        self, report: Report, problems: Callable[[], list[Any]]
    ) -> None:
        data = b'{"error": {"class": "E", "message": "a\x01b\x1fc"}}'
        assert report(data=data, content_type="application/json").status_code == 201
        assert problems()[0]["error_message"] == "a\x01b\x1fc"

    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            (b'"\xff\xfe"', "��"),
            (b'"\\ud800x"', "�x"),
            (b"123456789012345678901234567890", "123456789012345678901234567890"),
            (b"NaN", "NaN"),
            (b'{"a": 1}', '{"a": 1}'),
            (b"null", None),
            (b'""', None),
        ],
    )
    def test_messages_of_other_types_are_kept(
        self, report: Report, problems: Callable[[], list[Any]], sent: bytes, kept: str | None
    ) -> None:
        response = report(data=b'{"error": {"class": "E", "message": %s}}' % sent, content_type="application/json")
        assert response.status_code == 201
        assert problems()[0]["error_message"] == kept

    def test_a_backtrace_in_one_string_is_split_into_lines(
        self, client: FlaskClient, report: Report, shop: dict[str, Any], key_for: Headers
    ) -> None:
        stack = "at f (/srv/a.js:1:2)\n\n    at g (/srv/b.js:3:4)\n"
        sent = {"error": {"class": "E", "backtrace": stack}}
        response = report(sent).get_json()
        address = f"/api/v1/apps/{shop['id']}/problems/{response['problem_id']}/notices/{response['id']}"
        notice = client.get(address, headers=key_for()).get_json()
        assert [(frame["file"], frame["method"]) for frame in notice["backtrace"]] == [
            ("/srv/a.js", "f"),
            ("/srv/b.js", "g"),
        ]
        assert report(sent).get_json()["deduplicated"] is True

    def test_numbers_keep_all_their_digits(
        self, client: FlaskClient, report: Report, shop: dict[str, Any], key_for: Headers
    ) -> None:
        data = b'{"error_class": "E", "context": {"big": 123456789012345678901234567890, "far": 1e999}}'
        response = report(data=data, content_type="application/json").get_json()
        address = f"/api/v1/apps/{shop['id']}/problems/{response['problem_id']}/notices/{response['id']}"
        context = client.get(address, headers=key_for()).get_json()["context"]
        assert context == {"big": 123456789012345678901234567890, "far": "inf"}

    @pytest.mark.parametrize("odd", ["text", 7, ["list"], True])
    def test_values_that_should_be_objects_are_kept(
        self, client: FlaskClient, report: Report, shop: dict[str, Any], key_for: Headers, odd: Any
    ) -> None:
        body = {"error_class": "E", "context": odd, "request": odd, "user": odd, "notifier": odd, "backtrace": "a line"}
        response = report(body).get_json()
        address = f"/api/v1/apps/{shop['id']}/problems/{response['problem_id']}/notices/{response['id']}"
        notice = client.get(address, headers=key_for()).get_json()
        for part in ("context", "request", "user_info", "notifier"):
            assert notice[part] == {"value": odd}
        assert notice["backtrace"] == [{"file": "a line", "line": 0, "method": "unknown"}]


class TestTimes:
    @pytest.mark.parametrize(
        ("sent", "stored"),
        [
            ("Wed, 24 Jan 2024 10:00:00 GMT", "2024-01-24T10:00:00Z"),
            ("24 Jan 2024 10:00:00 +0200", "2024-01-24T08:00:00Z"),
            ("2024-01-24 10:00:00 UTC", "2024-01-24T10:00:00Z"),
            ("2024-01-24 10:00:00.5 UTC", "2024-01-24T10:00:00Z"),
            ("2024-01-24 10:00:00 -0330", "2024-01-24T13:30:00Z"),
            ("2024-01-24 10:00:00", "2024-01-24T10:00:00Z"),
        ],
    )
    def test_other_time_formats_than_iso_8601_are_parsed(
        self, report: Report, problems: Callable[[], list[Any]], sent: str, stored: str
    ) -> None:
        report(error(occurred_at=sent))
        assert problems()[0]["last_noticed_at"] == stored

    @pytest.mark.parametrize(
        "odd",
        [
            "yesterday",
            "2999-01-01T00:00:00Z",
            {},
            "0001-01-01T00:00:00+14:00",
            1e300,
            -5,
            "Wed, 24 Jan 2024 25:00:00 GMT",
            "24 Jan 0000 00:00:00 +9999",
            "2024-01-24 110:00 UTC",
            "1 Jan 2024 " * 50_000,
        ],
        ids=lambda odd: str(odd)[:30],
    )
    def test_an_impossible_time_is_replaced_by_the_time_of_receipt(
        self, report: Report, problems: Callable[[], list[Any]], odd: Any
    ) -> None:
        assert report(error(occurred_at=odd)).status_code == 201
        (problem,) = problems()
        assert problem["last_noticed_at"][:4] not in ("2999", "0001", "1969")
        assert problem["created_at"][:16] == problem["last_noticed_at"][:16]

    def test_last_seen_never_decreases_and_first_seen_never_increases(
        self, report: Report, problems: Callable[[], list[Any]]
    ) -> None:
        for line, moment in enumerate(("2024-05-05T00:00:00Z", "2023-01-01T00:00:00Z", "2024-02-02T00:00:00Z")):
            report(error(line=line, occurred_at=moment))
        (problem,) = problems()
        assert problem["first_noticed_at"] == "2023-01-01T00:00:00Z"
        assert problem["last_noticed_at"] == "2024-05-05T00:00:00Z"


class TestRepeats:
    def test_a_duplicate_is_counted_not_stored(self, report: Report, problems: Callable[[], list[Any]]) -> None:
        first = report(error()).get_json()
        again = report(error("another message")).get_json()
        assert again == {
            "id": first["id"],
            "problem_id": first["problem_id"],
            "deduplicated": True,
            "occurrence_count": 2,
        }
        assert report(error()).get_json()["occurrence_count"] == 3
        (problem,) = problems()
        assert (problem["notices_count"], problem["deduplicated_count"]) == (1, 2)

    def test_another_backtrace_is_stored(self, report: Report, problems: Callable[[], list[Any]]) -> None:
        first = report(error(line=1)).get_json()
        second = report(error(line=2)).get_json()
        assert second["problem_id"] == first["problem_id"]
        assert (second["deduplicated"], second["id"] != first["id"]) == (False, True)

    def test_a_report_of_a_resolved_problem_reopens_it_and_is_stored(
        self, client: FlaskClient, report: Report, shop: dict[str, Any], key_for: Headers
    ) -> None:
        headers = key_for()
        first = report(error()).get_json()
        address = f"/api/v1/apps/{shop['id']}/problems/{first['problem_id']}"
        assert client.post(f"{address}/resolve", headers=headers).get_json()["status"] == "resolved"
        again = report(error()).get_json()
        assert (again["deduplicated"], again["id"] != first["id"]) == (False, True)
        problem = client.get(address, headers=headers).get_json()
        assert (problem["status"], problem["resolved_at"], problem["notices_count"]) == ("unresolved", None, 2)
        assert client.get(f"/api/v1/apps/{shop['id']}", headers=headers).get_json()["unresolved_problems_count"] == 1
        assert report(error()).get_json()["deduplicated"] is True

    def test_reopening_never_decreases_updated_at(
        self, client: FlaskClient, report: Report, shop: dict[str, Any], key_for: Headers
    ) -> None:
        headers = key_for()
        first = report(error(occurred_at="2024-01-01T00:00:00Z")).get_json()
        address = f"/api/v1/apps/{shop['id']}/problems/{first['problem_id']}"
        resolved = client.post(f"{address}/resolve", headers=headers).get_json()
        report(error(occurred_at="2024-01-02T00:00:00Z"))
        assert client.get(address, headers=headers).get_json()["updated_at"] >= resolved["updated_at"]

    def test_notice_ids_are_never_reused(self, make: Factory, report: Report) -> None:
        first = report(error()).get_json()
        make.run(lambda: delete_problems([first["problem_id"]]))
        again = report(error()).get_json()
        assert again["id"] > first["id"]
        assert again["problem_id"] > first["problem_id"]

    def test_a_report_after_its_problem_was_deleted_is_stored(
        self, make: Factory, report: Report, problems: Callable[[], list[Any]]
    ) -> None:
        first = report(error()).get_json()
        make.run(lambda: delete_problems([first["problem_id"]]))
        again = report(error()).get_json()
        assert again["deduplicated"] is False
        assert [problem["id"] for problem in problems()] == [again["problem_id"]]

    def test_the_window_can_be_turned_off(self, tmp_path: Any) -> None:
        app = create_app({"NOTICE_DEDUP_ENABLED": "false"}, instance_path=tmp_path)
        assert self._twice(app) == [(201, False), (201, False)]

    def test_duplicates_can_respond_with_200(self, tmp_path: Any) -> None:
        app = create_app({"NOTICE_DEDUP_STATUS": "200"}, instance_path=tmp_path)
        assert self._twice(app) == [(201, False), (200, True)]

    def _twice(self, app: Flask) -> list[tuple[int, bool]]:
        key = Factory(app).app()["ingestion_key"]
        try:
            answers = [app.test_client().post(f"{URL}?key={key}", json=error()) for _ in range(2)]
        finally:
            services(app).close()
        assert [("id" in response.get_json()) for response in answers] == [True, answers[1].status_code == 201]
        return [(response.status_code, response.get_json()["deduplicated"]) for response in answers]


class TestGroupingAndTags:
    def test_a_custom_fingerprint_decides(self, report: Report) -> None:
        one = report(error("a", 1, fingerprint="mine")).get_json()["problem_id"]
        other = report({"error": {"class": "Other", "message": "b", "fingerprint": "mine"}}).get_json()["problem_id"]
        assert one == other

    def test_the_same_error_in_two_apps_is_two_problems_with_one_backtrace(
        self, make: Factory, client: FlaskClient, report: Report
    ) -> None:
        from checkend.models import Backtrace

        one = report(error()).get_json()
        key = make.app("Other")["ingestion_key"]
        other = client.post(f"{URL}?key={key}", json=error()).get_json()
        assert other["problem_id"] != one["problem_id"]
        assert make.run(lambda: Backtrace.query.count()) == 1

    def test_tags_are_normalized_and_collected_on_the_problem(
        self, report: Report, problems: Callable[[], list[Any]]
    ) -> None:
        report(error(tags=["Web", "pay ments", "", None, 7]))
        report(error(tags=["web", "late"]))
        assert [tag["name"] for tag in problems()[0]["tags"]] == ["7", "late", "pay-ments", "web"]

    def test_invalid_tags_are_kept_in_the_context(
        self, client: FlaskClient, report: Report, shop: dict[str, Any], key_for: Headers
    ) -> None:
        tags = ["日本", "Zürich", " Web "] + [f"request-{number}" for number in range(60)]
        response = report(error(tags=tags, occurred_at="garbage")).get_json()
        address = f"/api/v1/apps/{shop['id']}/problems/{response['problem_id']}"
        problem = client.get(address, headers=key_for()).get_json()
        notice = client.get(f"{address}/notices/{response['id']}", headers=key_for()).get_json()
        assert len(problem["tags"]) == 50
        left = [f"request-{number}" for number in range(48, 60)]
        assert notice["context"]["error"] == {"tags": ["日本", "Zürich", *left], "occurred_at": "garbage"}

    def test_a_problem_has_a_bounded_number_of_tags(self, report: Report, problems: Callable[[], list[Any]]) -> None:
        for start in range(0, 150, 30):
            assert report(error(tags=[f"t{start + n}" for n in range(30)])).status_code == 201
        assert len(problems()[0]["tags"]) == 50

    def test_the_counters_of_the_app_are_updated(self, make: Factory, report: Report, shop: dict[str, Any]) -> None:
        for name in ("A", "B", "A"):
            report({"error": {"class": name, "message": "m"}})
        counts = make.run(lambda: [(a.problems_count, a.unresolved_problems_count) for a in App.query.all()])
        assert counts == [(2, 2)]


class TestBrowsers:
    ORIGIN: ClassVar = {"Origin": "https://shop.example"}

    def test_the_preflight_needs_no_key(self, client: FlaskClient) -> None:
        response = client.options(URL, headers={**self.ORIGIN, "Access-Control-Request-Method": "POST"})
        assert response.status_code == 204
        assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        allowed = response.headers["Access-Control-Allow-Headers"]
        assert allowed == "Content-Type, Checkend-Ingestion-Key, User-Agent"
        assert response.headers["Vary"] == "Origin"

    def test_every_response_has_cors_headers(self, report: Report, client: FlaskClient) -> None:
        answers = [
            report(error(), headers=self.ORIGIN),
            report({}, headers=self.ORIGIN),
            report(data=b"{", content_type="application/json", headers=self.ORIGIN),
            client.post(URL, json=error(), headers=self.ORIGIN),
        ]
        assert [response.status_code for response in answers] == [201, 422, 400, 401]
        for response in answers:
            assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
            assert "Retry-After" in response.headers["Access-Control-Expose-Headers"]
            assert "Set-Cookie" not in response.headers

    def test_other_routes_have_no_cors_headers(self, client: FlaskClient) -> None:
        assert "Access-Control-Allow-Origin" not in client.get("/api/v1/health", headers=self.ORIGIN).headers


class TestBothWays:
    """The first report with a key is handled by the route, the following ordinary ones by the fast path."""

    @pytest.fixture
    def ways(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Provide a list of how each report was handled, in order."""
        taken: list[str] = []
        monkeypatch.setitem(app.before_request_funcs, None, [lambda: taken.append("flask")])
        return taken

    def test_fast_path_and_route_respond_alike(self, report: Report, ways: list[str]) -> None:
        first = report(error(line=1), headers=TestBrowsers.ORIGIN)
        second = report(error(line=2), headers=TestBrowsers.ORIGIN)
        assert ways == ["flask"]
        assert (first.status, first.get_json().keys()) == (second.status, second.get_json().keys())
        assert sorted(first.headers) == sorted(second.headers)

    @pytest.mark.parametrize(
        ("options", "status"),
        [
            ({"json": {}}, 422),
            ({"data": b"{", "content_type": "application/json"}, 400),
            ({"data": b"<x/>", "content_type": "application/xml"}, 415),
            ({"json": error(line=3), "headers": {"Content-Encoding": "br"}}, 415),
        ],
        ids=["no class", "no JSON", "XML", "brotli"],
    )
    def test_rejected_reports_are_passed_on_to_the_route(
        self, report: Report, ways: list[str], options: dict[str, Any], status: int
    ) -> None:
        report(error())
        ways.clear()
        response = report(**options)
        assert (response.status_code, ways) == (status, ["flask"])

    def test_a_report_counts_once_against_the_limit(self, tmp_path: Any) -> None:
        app = create_app({"RATE_LIMIT_INGESTION_PER_HOUR": 4}, instance_path=tmp_path)
        key = {"Checkend-Ingestion-Key": Factory(app).app()["ingestion_key"]}
        client = app.test_client()
        try:
            bodies = [error(), {}, error(line=2), {}, error(line=3)]
            statuses = [client.post(URL, json=body, headers=key).status_code for body in bodies]
        finally:
            services(app).close()
        assert statuses == [201, 422, 201, 422, 429]


class TestRateLimit:
    def test_reports_beyond_the_limit_are_429_with_retry_after(self, tmp_path: Any) -> None:
        app = create_app({"RATE_LIMIT_INGESTION_PER_HOUR": 3}, instance_path=tmp_path)
        key, other = Factory(app).app("A")["ingestion_key"], Factory(app).app("B")["ingestion_key"]
        client = app.test_client()
        try:
            answers = [client.post(f"{URL}?key={key}", json=error(), headers=TestBrowsers.ORIGIN) for _ in range(4)]
            assert [response.status_code for response in answers] == [201, 201, 201, 429]
            wait = int(answers[3].headers["Retry-After"])
            assert 1 <= wait <= 3600
            assert answers[3].get_json() == {"error": f"Rate limit exceeded. Retry after {wait} seconds."}
            assert answers[3].headers["Access-Control-Allow-Origin"] == "https://shop.example"
            assert client.post(f"{URL}?key={other}", json=error()).status_code == 201
        finally:
            services(app).close()


class TestPrivacy:
    def test_secrets_are_never_stored(
        self, client: FlaskClient, report: Report, shop: dict[str, Any], key_for: Headers
    ) -> None:
        body = error() | {
            "request": {
                "url": "https://x.example/?api_key=hunter2&page=2",
                "query_string": "token=hunter2&page=2",
                "headers": {"Authorization": "Bearer hunter2", "X-Api-Key": ["hunter2"], "Accept": "*/*"},
            },
            "context": {"env": {"DB_PASSWORD": "hunter2"}, "deep": [{"cookie": {"a": "hunter2"}}]},
        }
        response = report(body).get_json()
        address = f"/api/v1/apps/{shop['id']}/problems/{response['problem_id']}/notices/{response['id']}"
        notice = client.get(address, headers=key_for()).get_json()
        assert "hunter2" not in json.dumps(notice)
        assert notice["request"]["url"] == "https://x.example/?api_key=[FILTERED]&page=2"
        assert notice["request"]["query_string"] == "token=[FILTERED]&page=2"
        assert notice["request"]["headers"]["Accept"] == "*/*"
        assert notice["context"]["deep"] == [{"cookie": "[FILTERED]"}]
