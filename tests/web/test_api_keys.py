"""API keys in the dashboard."""

import base64
import re
import time
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend import clock
from checkend.auth.permissions import Permission
from checkend.models import ApiKey
from tests.support.factories import Factory
from tests.support.pages import follow, sign_in, submit


@pytest.fixture(autouse=True)
def admin(client: FlaskClient, make: Factory) -> FlaskClient:
    """Provide a browser in which a site admin is signed in."""
    make.user("ada@example.com", site_admin=True)
    sign_in(client, "ada@example.com")
    return client


def _make_key(admin: FlaskClient, **fields: Any) -> str:
    """Return the value that the page shows."""
    answer = submit(admin, "/api-keys/new", {"name": "Deploy", "permissions": ["apps:read"]} | fields)
    page = follow(admin, answer)
    value = re.search(r'<code id="api-key">(cka_[\w-]+)</code>', page)
    assert value, page
    return value[1]


def _use(client: FlaskClient, value: str, path: str = "/api/v1/apps") -> int:
    return client.get(path, headers={"Checkend-API-Key": value}).status_code


def test_a_key_made_on_the_page_works_with_exactly_its_permissions(admin: FlaskClient) -> None:
    value = _make_key(admin, permissions=["apps:read", "teams:write"])
    assert (_use(admin, value), _use(admin, value, "/api/v1/users")) == (200, 403)


def test_a_key_can_be_restricted_to_apps_on_the_page(admin: FlaskClient, make: Factory) -> None:
    shop = make.app("Shop")["id"]
    make.app("Blog")
    value = _make_key(admin, permissions=["apps:read"], apps=[str(shop)])
    statuses = [_use(admin, value, f"/api/v1/apps/{slug}") for slug in ("shop", "blog")]
    assert statuses == [200, 404]
    assert "only for Shop" in admin.get("/api-keys").text
    refused = submit(admin, "/api-keys/new", {"name": "X", "permissions": ["users:read"], "apps": [str(shop)]})
    assert refused.status_code == 422
    assert "A key that is restricted to apps cannot have the permission users:read." in refused.text
    assert 'value="1" checked' in refused.text
    assert (
        submit(admin, "/api-keys/new", {"name": "X", "permissions": ["apps:read"], "apps": ["99"]}).status_code == 422
    )


def test_the_value_is_shown_once_with_a_curl_line_and_not_stored(admin: FlaskClient, make: Factory) -> None:
    answer = submit(admin, "/api-keys/new", {"name": "Deploy", "permissions": ["apps:read"]})
    text = follow(admin, answer)
    value = re.search(r"cka_[\w-]{20,}", text)
    assert value
    assert f"curl -H &#39;Checkend-API-Key: {value[0]}&#39; http://localhost/api/v1/apps" in text
    assert f'data-copy="{value[0]}"' in text
    page = admin.get("/api-keys").get_data(as_text=True)
    assert value[0] not in page
    assert value[0][:14] in page
    assert value[0] not in make.run(lambda: repr(vars(ApiKey.newest_first()[0])))


def test_reloading_the_page_of_a_new_key_neither_creates_another_nor_shows_it_again(
    admin: FlaskClient, make: Factory
) -> None:
    created = submit(admin, "/api-keys/new", {"name": "Deploy", "permissions": ["apps:read"]})
    assert created.status_code == 302
    shown, reloaded = follow(admin, created), follow(admin, created)
    value = re.search(r'<code id="api-key">(cka_[\w-]+)</code>', shown)
    assert value
    assert value[1] not in reloaded
    assert "cannot be shown again" in reloaded
    assert [key.prefix for key in make.run(ApiKey.newest_first)] == [value[1][:14]]


def test_the_value_of_a_new_key_travels_encrypted_and_only_to_the_session_that_created_it(
    app: Flask, admin: FlaskClient, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = submit(admin, "/api-keys/new", {"name": "Deploy", "permissions": ["apps:read"]})
    cookie = admin.get_cookie("checkend_shown_once", path="/api-keys/1/created")
    assert cookie
    assert (cookie.http_only, cookie.same_site, cookie.max_age) == (True, "Strict", 60)
    prefix = make.run(ApiKey.newest_first)[0].prefix
    decoded = base64.urlsafe_b64decode(cookie.value)
    for sent in (created.get_data(), str(created.headers).encode(), decoded):
        assert prefix.encode() not in sent

    make.user("eve@example.com", site_admin=True)
    eve = app.test_client()
    sign_in(eve, "eve@example.com")
    eve.set_cookie("checkend_shown_once", cookie.value, path="/api-keys/1/created")
    assert "cannot be shown again" in eve.get("/api-keys/1/created").text

    expired = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: expired)
    admin.set_cookie("checkend_shown_once", cookie.value, path="/api-keys/1/created")
    assert "cannot be shown again" in admin.get("/api-keys/1/created").text


@pytest.mark.parametrize("value", ["é", "a", "%00", "x" * 4000])
def test_an_invalid_secret_cookie_is_ignored(admin: FlaskClient, value: str) -> None:
    created = submit(admin, "/api-keys/new", {"name": "Deploy", "permissions": ["apps:read"]})
    admin.set_cookie("checkend_shown_once", value, path="/api-keys/1/created")
    assert "cannot be shown again" in follow(admin, created)


def test_the_form_offers_every_permission_with_its_meaning(admin: FlaskClient) -> None:
    page = admin.get("/api-keys/new").get_data(as_text=True)
    for permission in Permission:
        assert f'value="{permission}"' in page
        assert permission.help in page


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "x" * 256},
        {"permissions": []},
        {"permissions": ["apps:destroy"]},
        {"expires_on": "2020-01-01"},
        {"expires_on": "soon"},
    ],
)
def test_an_invalid_key_is_not_created(admin: FlaskClient, make: Factory, fields: dict[str, Any]) -> None:
    answer = submit(admin, "/api-keys/new", {"name": "Deploy", "permissions": ["apps:read"]} | fields)
    assert answer.status_code == 422
    assert make.run(ApiKey.newest_first) == []


def test_a_key_works_to_the_end_of_its_last_day(admin: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    today = clock.now()
    last = (today + timedelta(days=3)).date()
    value = _make_key(admin, expires_on=last.isoformat())
    for late, status in ((timedelta(seconds=-1), 200), (timedelta(seconds=1), 401)):
        midnight = today.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=4)
        monkeypatch.setattr(clock, "now", lambda moment=midnight + late: moment)
        assert _use(admin, value) == status


def test_a_revoked_key_is_rejected_and_stays_in_the_list(admin: FlaskClient) -> None:
    value = _make_key(admin)
    assert submit(admin, "/api-keys/1/revoke").location == "/api-keys"
    assert _use(admin, value) == 401
    page = admin.get("/api-keys").get_data(as_text=True)
    assert "revoked</span>" in page
    assert "/api-keys/1/revoke" not in page


def test_a_deleted_key_is_rejected_and_no_longer_listed(admin: FlaskClient) -> None:
    value = _make_key(admin)
    assert submit(admin, "/api-keys/1/delete").location == "/api-keys"
    assert _use(admin, value) == 401
    assert submit(admin, "/api-keys/1/delete").status_code == 404
    assert "No API keys yet" in admin.get("/api-keys").get_data(as_text=True)


def test_the_list_says_when_a_key_was_used_and_expires(admin: FlaskClient) -> None:
    value = _make_key(admin, expires_on=(clock.now() + timedelta(days=10)).date().isoformat())
    assert "never used" in admin.get("/api-keys").get_data(as_text=True)
    _use(admin, value)
    page = admin.get("/api-keys").get_data(as_text=True)
    assert "last used <time" in page
    assert re.search(r"expires <time[^>]*>in (9|10) days</time>", page)


def test_a_name_cannot_run_as_script(admin: FlaskClient) -> None:
    _make_key(admin, name="<script>alert(1)</script>")
    assert "<script>alert" not in admin.get("/api-keys").get_data(as_text=True)
