"""The dashboard in a real browser: first run, keys, throttling, sessions, roles, themes, keyboard."""

import json
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from checkend.auth import login_throttle
from checkend.db.session import db
from checkend.models import App, Team, User
from checkend.models.team import Role
from tests.support.factories import Factory

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

    NewBrowser = Callable[..., BrowserContext]

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ADA = "ada@example.com"


def sign_in(page: "Page", address: str, password: str = "correct horse") -> None:
    """Sign in with the form."""
    page.goto("/sign-in")
    page.get_by_label("Email address").fill(address)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def report(address: str, key: str) -> int:
    """Report an error over HTTP, as an SDK does."""
    body = json.dumps({"error": {"class": "FirstError", "message": "hello"}}).encode()
    headers = {"Checkend-Ingestion-Key": key, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/ingest/v1/errors", body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return int(answer.status)


def test_from_setup_to_the_first_error_seen(app: Flask, browser_page: "Page", live_server: str) -> None:
    page = browser_page
    token = (Path(app.instance_path) / "setup_token").read_text().strip()
    page.goto(f"/setup/{token}")
    page.get_by_label("Email address").fill(ADA)
    page.get_by_label("Password").fill("correct horse")
    page.get_by_label("Team name").fill("Platform")
    page.get_by_label("App name").fill("Web shop")
    page.get_by_role("button", name="Set up Checkend").click()
    page.wait_for_url("**/apps/web-shop")
    waiting = page.get_by_text("Waiting for the first error")
    arrived = page.get_by_text("Connected: errors are being received.")
    assert waiting.is_visible()
    assert not arrived.is_visible()

    page.locator("label", has_text="Python").click()
    snippet = page.get_by_label("Code for Python").inner_text()
    key = re.search(r'api_key="(cki_[\w-]+)"', snippet)
    assert key
    assert f'endpoint="{live_server}"' in snippet
    assert report(live_server, key[1]) == 201

    arrived.wait_for()  # without a reload
    assert not waiting.is_visible()
    page.get_by_role("link", name="View problems").click()
    page.get_by_role("link", name="FirstError").first.wait_for()


def test_the_test_error_button_shows_that_errors_arrive(browser_page: "Page", make: Factory) -> None:
    make.user(ADA, site_admin=True)
    make.app("Shop")
    sign_in(browser_page, ADA)
    browser_page.goto("/apps/shop")
    browser_page.get_by_role("button", name="Send a test error").click()
    browser_page.get_by_text("The test error was received.").wait_for()
    assert browser_page.get_by_text("Connected: errors are being received.").is_visible()


def test_a_key_is_created_on_the_page_and_used_with_the_api(
    new_browser: "NewBrowser", live_server: str, make: Factory
) -> None:
    make.user(ADA, site_admin=True)
    make.app("Shop")
    page = new_browser(permissions=["clipboard-read", "clipboard-write"]).new_page()
    sign_in(page, ADA)
    page.get_by_role("link", name="API keys").click()
    page.get_by_role("link", name="New key").click()
    page.get_by_label("Name").fill("Deploy")
    page.get_by_label("apps:read").check()
    page.get_by_role("button", name="Create key").click()
    page.get_by_role("button", name="Copy").first.click()
    page.get_by_text("Copied").wait_for()
    value = page.evaluate("navigator.clipboard.readText()")
    assert value == page.locator("#api-key").inner_text()
    headers = {"Checkend-API-Key": value}
    request = urllib.request.Request(f"{live_server}/api/v1/apps", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert [app["name"] for app in json.load(answer)] == ["Shop"]


def test_guessing_a_password_is_stopped(browser_page: "Page", make: Factory) -> None:
    make.user(ADA)
    for _ in range(login_throttle.PER_ACCOUNT):
        sign_in(browser_page, ADA, "a wrong guess")
        browser_page.get_by_text("Incorrect email or password").wait_for()
    sign_in(browser_page, ADA)
    browser_page.get_by_role("heading", name="Too many attempts").wait_for()
    browser_page.goto("/account")
    assert "/sign-in" in browser_page.url


def test_revoking_a_session_signs_that_browser_out(new_browser: "NewBrowser", make: Factory) -> None:
    make.user(ADA)
    here, there = new_browser().new_page(), new_browser(user_agent="Firefox on a Windows machine").new_page()
    for page in (here, there):
        sign_in(page, ADA)
        page.wait_for_url("**/")
    here.get_by_label("Account:").click()
    here.get_by_role("link", name="Sessions").click()
    here.get_by_role("button", name="Sign out Firefox on Windows").click()
    here.get_by_text("The session has been signed out.").wait_for()
    there.goto("/account")
    assert "/sign-in" in there.url
    here.goto("/account")
    assert here.url.endswith("/account")


def _team(make: Factory, role: Role) -> None:
    """Create bob with this role in the team of an app that has a problem, and an app of no team."""
    make.user(ADA, site_admin=True)
    bob = make.user("bob@example.com")

    def fill() -> int:
        team = Team.create("Core", db.session.get_one(User, 1))
        team.add_member(db.session.get_one(User, bob), role)
        app = App.create("Shop")
        team.assign(app)
        App.create("Foreign")
        return app.id

    make.problem(make.run(fill), notices=1, error_class="ShopError")


OFFERS: dict[str, tuple[Role, ...]] = {
    "Resolve": ("member", "developer", "admin"),
    "Settings": ("developer", "admin"),
    "Send a test error": ("developer", "admin"),
    "Regenerate": ("admin",),
    "Create invitation link": ("admin",),
    "Delete app": ("admin",),
    "Delete team": (),
}


@pytest.mark.parametrize("role", ["viewer", "member", "developer", "admin"])
def test_a_team_member_sees_exactly_what_the_role_allows(browser_page: "Page", make: Factory, role: Role) -> None:
    _team(make, role)
    page = browser_page
    sign_in(page, "bob@example.com")
    page.wait_for_url("**/")
    assert page.get_by_text("Shop").first.is_visible()
    assert page.get_by_text("Foreign").count() == 0
    assert page.get_by_role("link", name="Users").count() == 0
    assert page.get_by_role("link", name="API keys").count() == 0
    seen = ""
    for address in ("/problems/1", "/apps/shop", "/apps/shop/settings", "/teams/core"):
        answer = page.goto(address)
        allowed = role in ("developer", "admin") or not address.endswith("settings")
        assert answer is not None
        assert (address, answer.status) == (address, 200 if allowed else 403)
        if allowed:
            seen += page.locator("main").inner_text() + "\n"
            assert page.get_by_text("ShopError").count() > 0 or address != "/problems/1"
    lines = {line.strip() for line in seen.splitlines()}
    offered = {offer for offer in OFFERS if offer in lines}
    assert offered == {offer for offer, roles in OFFERS.items() if role in roles}
    for address in ("/apps/foreign", "/users", "/api-keys", "/audit-log"):
        answer = page.goto(address)
        assert answer is not None
        assert answer.status in (403, 404)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_and_can_be_chosen(new_browser: "NewBrowser", make: Factory, scheme: Any) -> None:
    page = new_browser(color_scheme=scheme).new_page()
    page.goto("/sign-in")
    root = page.locator("html")
    assert root.get_attribute("data-bs-theme") == scheme
    other = "light" if scheme == "dark" else "dark"
    page.get_by_label("Theme").click()
    page.get_by_role("button", name=other.capitalize()).click()
    page.wait_for_load_state()
    assert root.get_attribute("data-bs-theme") == other
    page.goto("/forgotten-password")
    assert root.get_attribute("data-bs-theme") == other


def test_everything_works_without_javascript(new_browser: "NewBrowser", make: Factory) -> None:
    make.user(ADA, site_admin=True)
    make.app("Shop")
    page = new_browser(java_script_enabled=False).new_page()
    sign_in(page, ADA)
    page.goto("/apps/shop")
    page.get_by_role("button", name="Send a test error").click()
    page.get_by_text("Connected: errors are being received.").wait_for()
    page.goto("/apps/shop/settings")
    page.locator("summary", has_text="Delete app").click()
    page.get_by_label("to confirm").fill("Shop")
    page.get_by_role("button", name="Delete app").click()
    page.get_by_text("Deleted app 'Shop'.").wait_for()


def test_the_keyboard_reaches_the_content_past_the_navigation_and_closes_menus(
    browser_page: "Page", make: Factory
) -> None:
    make.user(ADA)
    sign_in(browser_page, ADA)
    browser_page.goto("/account/sessions")
    browser_page.keyboard.press("Tab")
    assert browser_page.locator(":focus").inner_text() == "Skip to content"
    browser_page.keyboard.press("Enter")
    assert browser_page.locator(":focus").get_attribute("id") == "content"
    menu = browser_page.get_by_label("Account:")
    menu.focus()
    browser_page.keyboard.press("Enter")
    assert browser_page.get_by_role("link", name="Sessions").first.is_visible()
    browser_page.keyboard.press("Escape")
    assert browser_page.locator(":focus").get_attribute("aria-label") == "Account: ada@example.com"
    assert not browser_page.locator(".menu-list a").first.is_visible()


def test_sign_in_leads_back_to_the_requested_page(browser_page: "Page", make: Factory) -> None:
    make.user(ADA)
    browser_page.goto("/account/sessions")
    browser_page.get_by_label("Email address").fill(ADA)
    browser_page.get_by_label("Password").fill("correct horse")
    browser_page.get_by_role("button", name="Sign in").click()
    browser_page.wait_for_url("**/account/sessions")
