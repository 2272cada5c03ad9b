"""A URL of the API means the same with a trailing slash, and with ``.json`` appended."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.api.test_permission_matrix import TABLE, path_of, records
from tests.support.api import Api, assert_error

__all__ = ["records"]


@pytest.mark.parametrize("suffix", ["/", ".json", ".json/"])
def test_every_route_has_equivalent_urls(suffix: str, client: FlaskClient) -> None:
    for method, rule in TABLE:
        assert_error(Api(client, {}).call(method, path_of(rule) + suffix), 401, "Missing API key")


def test_writes_work_with_equivalent_urls(api: Api, records: None) -> None:
    assert api.post("/apps/", {"name": "New"}).status_code == 201
    assert api.patch("/apps/new.json", {"name": "Newer"}).get_json()["name"] == "Newer"
    assert api.post("/apps/1/problems/1/resolve/").get_json()["status"] == "resolved"
    assert api.delete("/apps/new.json/").status_code == 204
    assert [app["slug"] for app in api.get("/apps.json").get_json()] == ["shop"]


@pytest.mark.parametrize("path", ["/apps/shop", "/apps/shop/problems", "/apps/shop/problems/1/tags", "/users/one"])
def test_equivalent_urls_have_the_same_response(path: str, api: Api, records: None) -> None:
    plain = api.get(path)
    assert plain.status_code == 200
    for url in (f"{path}/", f"{path}.json", f"{path}.json?"):
        assert api.get(url).data == plain.data
    assert api.client.open("/", environ_overrides={"PATH_INFO": f"//api/v1{path}/"}, headers=api.headers).data == (
        plain.data
    )


@pytest.mark.parametrize("path", ["/apps//", "/apps.json.json", "/apps.jso", "/apps/.json", "/appsjson", "/.json"])
def test_other_variations_of_a_url_are_not_found(path: str, api: Api, records: None) -> None:
    assert_error(api.get(path), 404)


def test_health_and_wrong_methods_have_equivalent_urls(app: Flask) -> None:
    api = Api(app.test_client(), {})
    assert [api.get(path).status_code for path in ("/health/", "/health.json")] == [200, 200]
    assert_error(api.post("/health/"), 405)


def test_pages_are_not_affected(client: FlaskClient) -> None:
    assert client.get("/sign-in.json").status_code == 404
