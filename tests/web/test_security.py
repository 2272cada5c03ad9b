"""Security headers of every page, and CSRF tokens of every form."""

from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.app import create_app
from checkend.models import App, Team
from checkend.services import services
from checkend.web.security import HEADERS
from tests.support.factories import Factory
from tests.support.pages import csrf_token, sign_in, submit
from tests.web.test_roles import ACTS, ELSEWHERE

PAGES = ("/sign-in", "/forgotten-password", "/account", "/nope", "/static/checkend.css", "/users", "/theme")

# Mail programs cannot send a CSRF token. The signed token in the URL authorizes, with or without a session:
# test_alerts.py.
AUTHORIZED_BY_URL = {"unsubscribe.show"}


@pytest.fixture
def admin(client: FlaskClient, make: Factory) -> FlaskClient:
    """Provide a browser in which a site admin is signed in."""
    make.user("ada@example.com", site_admin=True)
    sign_in(client, "ada@example.com")
    return client


def _unsafe_routes(app: Flask) -> list[tuple[str, str]]:
    with app.test_request_context():
        return [
            (rule.endpoint, app.url_for(rule.endpoint, **dict.fromkeys(rule.arguments, 1)))
            for rule in app.url_map.iter_rules()
            if "POST" in (rule.methods or ()) and not rule.rule.startswith(("/api/", "/ingest/"))
        ]


def test_every_form_refuses_a_request_without_its_token(app: Flask, admin: FlaskClient) -> None:
    routes = [route for route in _unsafe_routes(app) if route[0] not in AUTHORIZED_BY_URL]
    assert len(routes) > 45
    for endpoint, address in routes:
        for fields in ({}, {"csrf_token": "forged"}):
            answer = admin.post(address, data=fields)
            assert (endpoint, answer.status_code) == (endpoint, 400)
            assert "CSRF" in answer.get_data(as_text=True)


def test_a_token_of_another_session_is_refused(app: Flask, admin: FlaskClient) -> None:
    foreign = csrf_token(app.test_client())
    assert admin.post("/theme", data={"csrf_token": foreign, "theme": "dark"}).status_code == 400


def test_programs_need_no_token_and_get_no_session(admin: FlaskClient, make: Factory) -> None:
    key = make.app()["ingestion_key"]
    report = admin.post("/ingest/v1/errors", json={"error": {"class": "E"}}, headers={"Checkend-Ingestion-Key": key})
    health = admin.get("/api/v1/health")
    assert (report.status_code, health.status_code) == (201, 200)
    for answer in (report, health):
        assert "Set-Cookie" not in answer.headers
        assert "Content-Security-Policy" not in answer.headers


@pytest.mark.parametrize("address", PAGES)
def test_every_page_answers_with_the_security_headers(admin: FlaskClient, address: str) -> None:
    with admin.get(address) as answer:
        headers = answer.headers
    assert {name: headers.get(name) for name in HEADERS} == HEADERS
    assert "unsafe" not in headers["Content-Security-Policy"]


def test_each_page_of_the_tables_answers_with_the_headers_and_is_not_kept(app: Flask, admin: FlaskClient) -> None:
    with app.test_request_context():
        pages = {app.url_for(act.endpoint, **dict.fromkeys(act.values, 1)) for act in ACTS if act.method == "GET"}
    assert len(pages) > 15
    for address in pages:
        headers = admin.get(address).headers
        assert (address, headers.get("Cache-Control")) == (address, "no-store")
        assert dict(headers).keys() >= HEADERS.keys()


def test_pages_have_no_inline_script_and_no_style(app: Flask, admin: FlaskClient) -> None:
    for address in (
        "/",
        "/account",
        "/teams",
        "/users",
        "/api-keys/new",
        "/audit-log",
        "/apps/new",
        "/nope",
        "/problems",
    ):
        text = admin.get(address).get_data(as_text=True)
        assert " style=" not in text
        assert "<style" not in text
        assert " onclick=" not in text
        assert text.count("<script") == text.count("<script src=")


def test_files_with_their_digest_in_the_address_are_kept_for_good(admin: FlaskClient) -> None:
    with admin.get("/static/checkend.css?v=1") as named, admin.get("/static/checkend.css") as plain:
        assert "immutable" in named.headers["Cache-Control"]
        assert "immutable" not in plain.headers.get("Cache-Control", "")


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(client: FlaskClient, make: Factory) -> None:
    make.user("ada@example.com")
    answer = submit(client, "/sign-in", {"email_address": "ada@example.com", "password": "correct horse"}, "/sign-in")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    assert cookie.startswith("checkend_session=")
    assert "Strict-Transport-Security" not in answer.headers


def test_over_https_the_cookie_is_bound_to_the_host_and_hsts_is_sent(app: Flask) -> None:
    answer = app.test_client().get("/sign-in", base_url="https://checkend.example.com")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-checkend_session=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_below_a_path_prefix_the_cookie_is_secure_and_bound_to_the_path(app: Flask) -> None:
    answer = app.test_client().get("/sign-in", base_url="https://example.com/errors")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Secure-checkend_session=")
    assert {"Secure", "Path=/errors"} <= set(cookie.split("; "))


@pytest.mark.parametrize(
    ("url", "secure"), [("https://errors.example.com", True), ("http://errors.example.com", False)]
)
def test_an_https_url_says_that_browsers_use_https(tmp_path: object, url: str, secure: bool) -> None:
    app = create_app({"URL": url}, instance_path=f"{tmp_path}/i")
    answer = app.test_client().get("/sign-in")
    assert answer.headers["Set-Cookie"].startswith("__Host-") is secure
    assert ("Strict-Transport-Security" in answer.headers) is secure
    services(app).close()


def test_a_cookie_set_over_http_opens_nothing_over_https(app: Flask, client: FlaskClient, make: Factory) -> None:
    """An attacker on the network can set cookies over HTTP, but not with the prefix that is required over HTTPS."""
    make.user("ada@example.com")
    sign_in(client, "ada@example.com")
    assert client.get("/account", base_url="http://localhost").status_code == 200
    assert client.get("/account", base_url="https://localhost").status_code == 302


def test_forwarding_headers_without_a_trusted_proxy_are_logged_once(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.get("/sign-in")
    for _ in range(3):
        client.get("/sign-in", headers={"X-Forwarded-For": "192.0.2.1"})
    assert caplog.text.count("set CHECKEND_TRUSTED_PROXIES=1") == 1


def test_forms_work_over_https_and_only_from_our_own_pages(app: Flask, make: Factory) -> None:
    make.user("ada@example.com")
    client, ours = app.test_client(), "https://checkend.example.com"
    page = client.get("/sign-in", base_url=ours).get_data(as_text=True)
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    fields = {"csrf_token": token, "email_address": "ada@example.com", "password": "correct horse"}
    for referrer, status in (("https://evil.example/", 400), (f"{ours}/sign-in", 302)):
        headers = {"Referer": referrer}
        assert client.post("/sign-in", base_url=ours, data=fields, headers=headers).status_code == status


@pytest.mark.parametrize(("proxies", "secure"), [(0, False), (1, True)])
def test_only_trusted_proxies_say_that_it_was_https(tmp_path: object, proxies: int, secure: bool) -> None:
    app = create_app({"TRUSTED_PROXIES": proxies}, instance_path=f"{tmp_path}/i")
    answer = app.test_client().get("/sign-in", headers={"X-Forwarded-Proto": "https"})
    assert ("Secure" in answer.headers["Set-Cookie"]) is secure
    services(app).close()


@pytest.mark.parametrize(
    ("status", "path", "method"), [(404, "/nope", "GET"), (405, "/theme", "GET"), (400, "/sign-in", "POST")]
)
def test_error_pages_are_pages(client: FlaskClient, status: int, path: str, method: str) -> None:
    answer = client.open(path, method=method)
    assert answer.status_code == status
    assert '<main id="content"' in answer.get_data(as_text=True)


def test_a_body_beyond_the_limit_gets_the_413_page(app: Flask, admin: FlaskClient) -> None:
    answer = submit(admin, "/account", {"email_address": "x" * 3_000_000})
    assert answer.status_code == 413
    assert '<main id="content"' in answer.get_data(as_text=True)


@pytest.mark.parametrize("path", ["/account", "/account/password", "/apps/new", "/apps/shop/settings"])
def test_others_can_write_while_a_form_comes_in(
    app: Flask, admin: FlaskClient, make: Factory, slow_body: Any, path: str
) -> None:
    make.app("Shop")
    fields = urlencode({"csrf_token": csrf_token(admin, "/account"), "name": "x" * 100_000}).encode()
    body = slow_body(fields)
    form = {"content_type": "application/x-www-form-urlencoded", "content_length": len(fields)}
    assert admin.post(path, input_stream=body, **form).status_code == 422
    assert body.others_could_write
    assert all(body.others_could_write)


def test_a_failing_view_gets_the_500_page_without_a_trace(
    app: Flask, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setitem(app.view_functions, "teams.index", fail)
    answer = admin.get("/teams")
    assert answer.status_code == 500
    assert '<main id="content"' in answer.get_data(as_text=True)
    assert "secret detail" not in answer.get_data(as_text=True)


def test_a_store_that_cannot_be_read_gets_the_503_page(
    app: Flask, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    from checkend.models import UserSession

    def fail(token: str) -> None:
        raise OperationalError("SELECT", {}, Exception("disk I/O error"))

    monkeypatch.setattr(UserSession, "with_token", fail)
    answer = admin.get("/teams")
    assert answer.status_code == 503
    assert "Temporarily unavailable" in answer.get_data(as_text=True)


def test_a_forms_page_that_is_excused_from_the_tables_still_exists(app: Flask) -> None:
    assert app.view_functions.keys() >= ELSEWHERE


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_can_be_chosen_and_stays(client: FlaskClient, theme: str) -> None:
    answer = submit(client, "/theme", {"theme": theme, "next": "/forgotten-password"}, page="/sign-in")
    assert answer.location == "/forgotten-password"
    assert f'data-bs-theme="{theme}"' in client.get("/sign-in").get_data(as_text=True)


def test_a_theme_that_does_not_exist_is_refused_and_a_forged_cookie_ignored(client: FlaskClient) -> None:
    assert submit(client, "/theme", {"theme": "pink"}, page="/sign-in").status_code == 400
    client.set_cookie("theme", '"><script>')
    assert 'data-theme="auto"' in client.get("/sign-in").get_data(as_text=True)


HOSTILE = "\"'><script>alert(1)</script>{{ 7 * 7 }}\u202egnp"


def test_hostile_names_are_text_on_every_page_of_people_and_apps(admin: FlaskClient, make: Factory) -> None:
    submit(admin, "/teams", {"name": HOSTILE})
    submit(admin, "/apps/new", {"name": HOSTILE, "environment": HOSTILE, "team": "1"})
    submit(admin, "/api-keys/new", {"name": HOSTILE, "permissions": ["apps:read"]})
    team, shop = make.run(lambda: (Team.newest_first()[0].slug, App.newest_first()[0].slug))
    pages = ("/", "/teams", f"/teams/{team}", "/apps", f"/apps/{shop}", f"/apps/{shop}/settings", "/apps/new")
    for page in (*pages, "/api-keys", "/audit-log"):
        text = admin.get(page).get_data(as_text=True)
        assert "alert(1)" in text, page
        assert "<script>alert" not in text
        assert "49" not in text.partition("alert(1)")[2][:60]


def test_a_hostile_browser_name_is_text_in_the_list_of_sessions(app: Flask, make: Factory) -> None:
    make.user("eve@example.com")
    client = app.test_client()
    client.environ_base |= {"HTTP_USER_AGENT": "<script>alert(1)</script>" + "x" * 5000}
    sign_in(client, "eve@example.com")
    text = client.get("/account/sessions").get_data(as_text=True)
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert" not in text


@pytest.mark.parametrize("path", ["/up", "/", "/sign-in", "/nope", "/api/v1/apps", "/api/v1/nope", "/ingest/v1/errors"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_host_that_is_no_name_is_a_bad_request(client: FlaskClient, path: str, method: str) -> None:
    response = client.open(path, method=method, headers={"Host": f"..{'x' * 70}"})
    assert response.status_code == 400
    assert "Traceback" not in response.get_data(as_text=True)
