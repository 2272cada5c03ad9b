"""Checkend below a path of a site: every link, form, redirect and cookie stays below that path."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from werkzeug.test import Client, TestResponse

from checkend.app import create_app
from checkend.exceptions import SettingError
from checkend.models import ApiKey
from checkend.services import services
from tests.support.factories import Factory
from tests.support.pages import PASSWORD
from tests.support.server_thread import served

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from playwright.sync_api import BrowserContext

PREFIX = "/checkend"
ADDRESS = "https://errors.example.com"
LINKED = re.compile(r'\b(?:href|src|action|formaction|data-poll)="([^"]*)"')
KEPT = ("#", "https://docs.", "mailto:", "data:")


class Proxy:
    """A reverse proxy that forwards requests below the prefix and responds with 404 to all others."""

    def __init__(self, app: Flask, *, strips: bool, tells: bool) -> None:
        self._app, self._strips, self._tells = app, strips, tells

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path != PREFIX and not path.startswith(f"{PREFIX}/"):
            start_response("404 Not Found", [("Content-Length", "0")])
            return []
        if self._strips:
            environ["PATH_INFO"] = path[len(PREFIX) :] or "/"
        if self._tells:
            environ["HTTP_X_FORWARDED_PREFIX"] = PREFIX
        return self._app(environ, start_response)


class Site:
    """A browser that checks that every response stays below the prefix."""

    def __init__(self, app: Flask, **how: bool) -> None:
        self.app = app
        self.walked = how == {"strips": True, "tells": False}  # in one of the ways, since pages know of none
        self._client = Client(Proxy(app, **how))

    def get(self, path: str, **options: Any) -> TestResponse:
        return self._checked(self._client.get(path, base_url=ADDRESS, buffered=True, **options))

    def submit(self, path: str, page: str, **fields: object) -> TestResponse:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.get(page).get_data(as_text=True))
        assert token
        data = {"csrf_token": token[1], **fields}
        headers = {"Referer": f"{ADDRESS}{page}"}
        return self._checked(self._client.post(path, base_url=ADDRESS, data=data, headers=headers, buffered=True))

    def post(self, path: str, **options: Any) -> TestResponse:
        return self._checked(self._client.post(path, base_url=ADDRESS, buffered=True, **options))

    def _checked(self, response: TestResponse) -> TestResponse:
        path = response.request.path
        if "Location" in response.headers:
            assert is_below(urlsplit(urljoin(ADDRESS + path, response.headers["Location"])).path), path
        for cookie in response.headers.getlist("Set-Cookie"):
            assert re.search(r"; path=/checkend(?=/|;|$)", cookie, re.IGNORECASE), cookie
        if response.mimetype == "text/html":
            outside = [link for link in links(response) if not is_below(link) and not link.startswith(KEPT)]
            assert not outside, path
        return response


def links(response: TestResponse) -> list[str]:
    found = LINKED.findall(response.get_data(as_text=True))
    return [link.replace("&amp;", "&") for link in found if link and not link.startswith("?")]


def is_below(path: str) -> bool:
    return path == PREFIX or path.startswith(f"{PREFIX}/")


@pytest.fixture(
    params=[
        ({"URL": ADDRESS + PREFIX}, {"strips": True, "tells": False}),
        ({"URL": ADDRESS + PREFIX}, {"strips": False, "tells": False}),
        ({"TRUSTED_PROXIES": 1}, {"strips": True, "tells": True}),
        ({"TRUSTED_PROXIES": 1}, {"strips": False, "tells": True}),
    ],
    ids=["URL, stripped", "URL, passed on", "header, stripped", "header, passed on"],
)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    settings, how = request.param
    app = create_app({**settings, "RATE_LIMIT_ENABLED": "false"}, instance_path=tmp_path / "instance")
    yield Site(app, **how)
    services(app).close()


@pytest.mark.slow
def test_every_page_form_redirect_and_cookie_stays_below_the_prefix(site: Site) -> None:
    make = Factory(site.app)
    user = make.user("ada@example.com", site_admin=True)
    app, team = make.app("Shop"), make.team("Core", user)
    make.assign(team, app["id"])
    for error in ("ValueError", "KeyError"):
        headers = {"Checkend-Ingestion-Key": app["ingestion_key"]}
        payload = {"error": {"class": error, "message": "m", "backtrace": ["app.py:1 in f"]}}
        assert site.post(f"{PREFIX}/ingest/v1/errors", json=payload, headers=headers).status_code == 201

    asked_first = site.get(f"{PREFIX}/apps/shop")
    assert asked_first.status_code == 302
    signed_in = site.submit(
        asked_first.headers["Location"], f"{PREFIX}/sign-in", email_address="ada@example.com", password=PASSWORD
    )
    assert signed_in.headers["Location"] == f"{PREFIX}/apps/shop"
    if site.walked:
        seen = walk(site)
        assert {f"{PREFIX}/", f"{PREFIX}/apps/shop", f"{PREFIX}/problems/1", f"{PREFIX}/teams/core"} <= seen
        assert any("/notices/" in path for path in seen)

    assert site.get(f"{PREFIX}/nowhere").status_code == 404
    team_page = f"{PREFIX}/teams/core"
    invited = site.submit(f"{team_page}/invitations", team_page, email_address="eve@example.com", role="member")
    shown = site.get(invited.headers["Location"]) if invited.status_code == 302 else invited
    link = re.search(rf"{ADDRESS}({PREFIX}/invitations/[\w.-]+)", shown.get_data(as_text=True))
    assert link
    assert site.get(link[1]).status_code == 200
    theme = site.submit(f"{PREFIX}/theme", f"{PREFIX}/account", theme="dark", next="/problems?page=2")
    assert theme.headers["Location"] == f"{PREFIX}/problems?page=2"
    markdown = site.get(f"{PREFIX}/problems/1/markdown").get_data(as_text=True)
    assert f"{ADDRESS}{PREFIX}/problems/1" in markdown
    assert f"{ADDRESS}{PREFIX}" in site.get(f"{PREFIX}/apps/shop").get_data(as_text=True)
    assert site.submit(f"{PREFIX}/sign-out", f"{PREFIX}/account").headers["Location"] == f"{PREFIX}/sign-in"


def walk(site: Site) -> set[str]:
    """Follow all links from the home page, a few of each kind; return the paths."""
    seen, waiting, kinds = set[str](), [f"{PREFIX}/"], dict[str, int]()
    while waiting:
        address = waiting.pop()
        kind = re.sub(r"\d+", "N", address)
        kinds[kind] = kinds.get(kind, 0) + 1
        if address in seen or kinds[kind] > 2 or len(seen) > 150:
            continue
        seen.add(address)
        response = site.get(address)
        if response.status_code == 200:
            if response.mimetype == "text/html":
                found = [urljoin(address, link).partition("#")[0] for link in links(response)]
                waiting += [link for link in found if is_below(link)]
        else:  # the target of a form
            assert response.status_code in (302, 405), address
    return seen


def test_an_api_and_reports_answer_below_the_prefix(site: Site) -> None:
    make = Factory(site.app)
    key = make.app()["ingestion_key"]
    api_key = make.run(lambda: ApiKey.create("test", ("apps:read",))[1])
    asked: list[str] = []
    site.app.before_request(lambda: asked.append("a request that went through Flask"))
    headers = {"Checkend-Ingestion-Key": key}
    body = {"error": {"class": "Below", "message": "the prefix"}}
    answers = [site.post(f"{PREFIX}/ingest/v1/errors", json=body, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert len(asked) == 1, "the short way is open below the prefix, too"
    assert site.get(f"{PREFIX}/api/v1/apps", headers={"Checkend-API-Key": api_key}).json
    assert site.get(f"{PREFIX}/api/v1/nowhere").get_json()["error"] == "not_found"
    assert site.get(f"{PREFIX}/up").status_code == 200


@pytest.mark.parametrize("told", ["//evil.example", "/a b", "https://evil.example", "/..", "/a/../b", '/"><script>'])
def test_an_invalid_prefix_is_ignored(told: str, app: Flask, tmp_path: Path) -> None:
    trusting = create_app({"TRUSTED_PROXIES": 1}, instance_path=tmp_path / "trusting")
    for server, prefix in ((trusting, told), (app, "/untrusted")):
        page = server.test_client().get("/sign-in", headers={"X-Forwarded-Prefix": prefix}).get_data(as_text=True)
        assert '<a class="brand" href="/"' in page
    services(trusting).close()


@pytest.mark.parametrize("url", ["https://example.com/a?b", "https://example.com/a b", "https:///a", "https://x/../y"])
def test_a_public_address_whose_path_cannot_be_served_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="CHECKEND_URL is"):
        create_app({"URL": url}, instance_path=tmp_path)


@pytest.mark.browser
@pytest.mark.slow
def test_a_browser_works_below_the_prefix(new_browser: "Callable[..., BrowserContext]", tmp_path: Path) -> None:
    app = create_app({"URL": f"http://127.0.0.1{PREFIX}"}, instance_path=tmp_path / "below")
    make = Factory(app)
    make.user("ada@example.com", site_admin=True)
    key = make.app("Shop")["ingestion_key"]
    with served(app) as server:
        page = new_browser().new_page()
        failed: list[str] = []
        page.on("response", lambda response: failed.append(response.url) if response.status >= 400 else None)
        page.goto(f"http://127.0.0.1:{server.port}{PREFIX}/apps/shop")
        page.fill("[name=email_address]", "ada@example.com")
        page.fill("[name=password]", PASSWORD)
        page.press("[name=password]", "Enter")
        page.wait_for_url(f"**{PREFIX}/apps/shop")
        body = {"error": {"class": "Below", "message": "the prefix"}}
        sent = app.test_client().post("/ingest/v1/errors", json=body, headers={"Checkend-Ingestion-Key": key})
        assert sent.status_code == 201
        page.wait_for_selector("#arrival.arrived")
        page.goto(f"http://127.0.0.1:{server.port}{PREFIX}/problems")
        page.wait_for_selector("[data-problem]")
        assert failed == []
    services(app).close()
