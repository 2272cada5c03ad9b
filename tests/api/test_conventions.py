"""HTTP conventions of the API: entity tags, preconditions, pages of lists, links, compression, request ids."""

import gzip
import json
import logging

import pytest
from flask import Flask

from tests.support.api import Api, assert_error, assert_page
from tests.support.factories import Factory


def test_an_unchanged_record_is_not_sent_again(api: Api, make: Factory) -> None:
    make.app()
    etag = api.get("/apps/shop").headers["ETag"]
    response = api.client.get("/api/v1/apps/shop", headers={**api.headers, "If-None-Match": etag})
    assert (response.status_code, response.data, response.headers["ETag"]) == (304, b"", etag)
    api.patch("/apps/shop", {"environment": "staging"})
    response = api.client.get("/api/v1/apps/shop", headers={**api.headers, "If-None-Match": etag})
    assert response.status_code == 200
    assert response.headers["ETag"] != etag


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("kind", ["app", "team", "user", "channel"])
def test_a_change_of_a_record_that_has_changed_since_is_rejected(
    kind: str, method: str, api: Api, make: Factory
) -> None:
    make.app()
    user = make.user()
    team = api.post("/teams", {"name": "Core", "owner_id": user}).get_json()["id"]
    config = {"kind": "webhook", "name": "Hook", "config": {"url": "https://hooks.example.com"}}
    path, change, later = {
        "app": ("/apps/shop", {"name": "Store"}, {"name": "Market"}),
        "team": (f"/teams/{team}", {"name": "Ops"}, {"name": "Web"}),
        "user": (f"/users/{user}", {"email_address": "a@example.com"}, {"email_address": "b@example.com"}),
        "channel": ("/apps/shop/channels/1", {"name": "A"}, {"name": "B"}),
    }[kind]
    if kind == "channel":
        api.post("/apps/shop/channels", config)
    etag = api.get(path).headers["ETag"]

    def send(body: dict[str, str], tag: str) -> int:
        headers = {**api.headers, "If-Match": tag}
        response = api.client.open(f"/api/v1{path}", method=method, json=body, headers=headers)
        if response.status_code == 412:
            assert_error(
                response, 412, "The record has changed since you read it. Read it again, and repeat the change."
            )
        return response.status_code

    assert send(change, etag) == 200
    changed = api.get(path).get_json()
    assert send(later, etag) == 412
    assert send(later, '"x", "y"') == 412
    assert api.get(path).get_json() == changed
    assert send(later, f'"x", {api.get(path).headers["ETag"]}') == 200
    assert send(change, "*") == 200


@pytest.mark.parametrize("path", ["/apps", "/teams", "/users", "/apps/shop/channels"])
def test_every_list_can_be_read_in_pages(path: str, api: Api, make: Factory) -> None:
    make.app()
    owner = make.user()
    for number in range(3):
        make.app(name=f"App {number}")
        make.user(f"reader{number}@example.com")
        api.post("/teams", {"name": f"Team {number}", "owner_id": owner})
        hook = {"kind": "webhook", "name": f"Hook {number}", "config": {"url": "https://hooks.example.com"}}
        api.post("/apps/shop/channels", hook)
    rows = api.get(path).get_json()
    total, pages = len(rows), -(-len(rows) // 2)
    read = [
        row
        for number in range(1, pages + 1)
        for row in assert_page(api.get(path, page=number, per_page=2), number, 2, total, pages)
    ]
    assert read == rows
    assert assert_page(api.get(path, page=99), 99, 25, total, 1) == []
    assert_error(api.get(path, page=0), 422, "page must be a whole number, 1 or more.")
    assert_error(api.get(path, pgae=1), 422, "Unknown parameter 'pgae'; did you mean 'page'?")


def test_pages_link_to_the_others_with_the_same_filters(api: Api, make: Factory) -> None:
    app = make.app()["id"]
    for number in range(5):
        make.problem(app, error_class=f"E{number}")
    response = api.get("/apps/shop/problems", status="unresolved", page=2, per_page=2)
    url = "</api/v1/apps/shop/problems?status=unresolved&page={}&per_page=2>"
    assert response.headers.getlist("Link") == [
        f'{url.format(number)}; rel="{relation}"'
        for relation, number in (("first", 1), ("prev", 1), ("next", 3), ("last", 3))
    ]
    first = api.get("/apps/shop/problems", per_page=100).headers.getlist("Link")
    assert [link.partition("; ")[2] for link in first] == ['rel="first"', 'rel="last"']


def test_a_created_record_is_at_its_location(api: Api, make: Factory) -> None:
    owner = make.user()
    hook = {"kind": "webhook", "name": "Hook", "config": {"url": "https://hooks.example.com"}}
    for path, body in (
        ("/apps", {"name": "Shop"}),
        ("/apps/shop/channels", hook),
        ("/teams/", {"name": "Core", "owner_id": owner}),
        ("/users", {"email_address": "ada@example.com", "password": "correct horse battery"}),
    ):
        response = api.post(path, body)
        location = response.headers["Location"]
        assert location == f"/api/v1{path.rstrip('/')}/{response.get_json()['id']}"
        assert api.client.get(location, headers=api.headers).get_json()["id"] == response.get_json()["id"]


def test_large_responses_are_compressed_for_clients_that_accept_it(api: Api, make: Factory) -> None:
    for number in range(10):
        make.app(name=f"App {number}")
    plain = api.get("/apps")
    packed = api.client.get("/api/v1/apps", headers={**api.headers, "Accept-Encoding": "br, gzip;q=0.8"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert int(packed.headers["Content-Length"]) == len(packed.data) < len(plain.data) / 4
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert packed.headers["ETag"] == plain.headers["ETag"]
    for accepted, path in (("gzip;q=0", "apps"), ("br", "apps"), ("gzip", "health")):
        response = api.client.get(f"/api/v1/{path}", headers={**api.headers, "Accept-Encoding": accepted})
        assert "Content-Encoding" not in response.headers


def test_a_request_keeps_its_id(api: Api, app: Flask) -> None:
    sent = api.client.get("/api/v1/apps/nope", headers={**api.headers, "X-Request-Id": "deploy-17.a:b_c"})
    assert sent.headers["X-Request-Id"] == "deploy-17.a:b_c"
    ids = set()
    for invalid in ("", "a b", "x" * 101, 'x"', "\u00e9"):
        response = api.client.get("/api/v1/apps", headers={**api.headers, "X-Request-Id": invalid})
        ids.add(response.headers["X-Request-Id"])
    assert len(ids) == 5
    assert all(len(name) == 16 for name in ids)
    page = api.client.get("/sign-in")
    assert page.headers["X-Request-Id"]


def test_json_log_lines_have_the_id_of_the_request(api: Api, app: Flask) -> None:
    from checkend.log import JsonFormatter, RequestIdFilter

    record = logging.LogRecord("checkend.x", logging.INFO, "", 0, "hello", (), None)
    with app.test_request_context(headers={"X-Request-Id": "abc"}):
        app.preprocess_request()
        RequestIdFilter().filter(record)
        assert json.loads(JsonFormatter().format(record))["request_id"] == "abc"
