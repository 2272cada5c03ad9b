"""The API reference at /docs/api, and Swagger UI to try it."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from flask.testing import FlaskClient
from markupsafe import Markup, escape

from checkend.web.security import POLICY
from tests.support.factories import Factory

if TYPE_CHECKING:
    from playwright.sync_api import Page

DATA = {"get", "post", "patch", "put", "delete"}


def test_the_reference_has_every_operation_of_the_document_and_needs_no_sign_in(client: FlaskClient) -> None:
    document = client.get("/api/v1/openapi.json").get_json()
    index = client.get("/docs/api").text
    pages = {path for path in re.findall(r'href="(/docs/api/[\w-]+)"', index) if path != "/docs/api/try"}
    assert len(pages) > 10
    reference = "".join(client.get(page).text for page in pages)
    for path, item in document["paths"].items():
        for method in item.keys() & (DATA - {"put"}):
            operation = item[method]
            if not path.startswith("/api/"):
                continue
            (section,) = re.findall(
                rf'<article class="panel operation" aria-labelledby="{operation["operationId"]}">.*?</article>',
                reference,
                re.DOTALL,
            )
            text = Markup(section).striptags()
            assert operation["summary"].replace("`", "") in text
            assert method.upper() in text
            assert re.sub(r"{(\w+)}", r":\1", path.removeprefix("/api/v1")) in text
            assert operation.get("x-required-permission", "") in text
            for sample in operation.get("x-codeSamples", ()):
                assert escape(sample["source"]) in section
            assert "x-codeSamples" in operation or "openapi" in path
            for status in operation["responses"]:
                assert f"<dt>{status}</dt>" in section
            for parameter in operation["parameters"]:
                assert parameter["in"] != "query" or parameter["description"].replace("`", "") in text
            assert f"#{operation['operationId']}" in index
    assert "Checkend-API-Key" in index


def test_the_pages_keep_the_strict_policy_but_for_style_attributes_of_swagger_ui(client: FlaskClient) -> None:
    assert client.get("/docs/api").headers["Content-Security-Policy"] == POLICY
    response = client.get("/docs/api/try")
    assert response.headers["Content-Security-Policy"] == f"{POLICY}; style-src-attr 'unsafe-inline'"


def test_swagger_ui_comes_from_this_server_and_nothing_else_of_its_package(client: FlaskClient) -> None:
    page = client.get("/docs/api/try").text
    files = re.findall(r'(?:src|href)="(/docs/api/swagger-ui/[^"]+)"', page)
    assert len(files) == 2
    for file in files:
        with client.get(file) as response:
            assert response.status_code == 200
            assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert client.get("/docs/api/swagger-ui/index.css").status_code == 404
    assert client.get("/docs/api/swagger-ui/..%2f__init__.py").status_code == 404


@pytest.mark.browser
@pytest.mark.slow
def test_a_request_is_tried_on_the_page(
    browser_page: "Page", make: Factory, key_for: Callable[..., dict[str, str]]
) -> None:
    make.app("Shop")
    (key,) = key_for("apps:read").values()
    browser_page.goto("/docs/api")
    browser_page.get_by_role("link", name="Try it").click()
    browser_page.get_by_role("button", name="Authorize").first.click()
    browser_page.locator("#api_key_value").first.fill(key)
    browser_page.locator(".modal-ux .authorize").first.click()
    browser_page.locator(".modal-ux .btn-done").first.click()
    browser_page.get_by_role("link", name="Apps", exact=True).click()
    browser_page.locator("#operations-Apps-list_apps .opblock-summary-control").click()
    browser_page.get_by_role("button", name="Execute").click()
    browser_page.locator(".live-responses-table").get_by_text('"Shop"').first.wait_for()
