"""Accessibility: axe-core reports no serious violation on any page, and no page is wider than a phone."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from tests.support.factories import Factory
from tests.support.team import World, build
from tests.web.test_browser import sign_in
from tests.web.test_roles import ACTS

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.web.test_browser import NewBrowser

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NO_PAGES = {
    *("connect.first_error", "problem.as_markdown", "notice.as_raw", "audit_log.export"),
    *("live.changes", "live.app_changes"),
}
OPEN = ("/sign-in", "/forgotten-password", "/nope", "/docs/api", "/docs/api/apps")


def addresses(world: World) -> list[str]:
    """Return the paths of all pages that a site admin can open."""
    found = []
    with world.app.test_request_context():
        for act in ACTS:
            if act.method == "GET" and act.endpoint not in NO_PAGES:
                values = {name: world.ids.get(value, value) for name, value in act.values.items()}
                found.append(world.app.url_for(act.endpoint, **values))
    return [*found, "/apps/new", f"/invitations/{world.ids['token']}", world.ids["unsubscribe"]]


def faults(page: "Page", where: str, rules: tuple[str, ...] = ()) -> list[str]:
    """Return the serious and critical violations that axe-core finds on the page, with all rules or the given ones."""
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe-playwright-python is not installed")
    options: dict[str, Any] = {"resultTypes": ["violations"]}  # other results would take longer
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe.AXE_SCRIPT)
    results: dict[str, Any] = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{where}: {violation['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for violation in results["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


@pytest.fixture
def world(app: Flask) -> World:
    """Provide the data of `people.build` and an ordinary report."""
    world = build(app)
    make = Factory(app)
    make.notice(
        world.ids["problem_id"], context={"environment": "production"}, request={"url": "https://example.com/a"}
    )
    return world


def check_page(page: "Page", address: str, *, is_signed_in: bool) -> list[str]:
    """Load the page once, and check it on a phone, for structure, and with axe-core in both themes."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address)
    beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert (address, beyond) == (address, 0)
    page.set_viewport_size({"width": 1280, "height": 720})
    if is_signed_in:
        assert (address, page.locator("h1").count()) == (address, 1)
        assert page.get_by_role("main").count() == 1
        assert page.get_by_role("banner").count() == 1
        assert re.fullmatch(r".+ · Checkend", page.title()), address
        page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
    found = faults(page, address)
    page.emulate_media(color_scheme="dark")
    found += faults(page, f"{address} (dark)", ("color-contrast",))  # only the colors differ
    page.emulate_media(color_scheme="light")
    return found


def test_every_page_is_accessible_in_both_themes_and_no_wider_than_a_phone(
    new_browser: "NewBrowser", world: World
) -> None:
    page = new_browser(bypass_csp=True, color_scheme="light", reduced_motion="reduce").new_page()
    found = [fault for address in OPEN for fault in check_page(page, address, is_signed_in=False)]
    sign_in(page, "site-admin@example.com")
    page.wait_for_url("**/")
    pages = addresses(world)
    assert len(pages) > 15
    found += [fault for address in pages for fault in check_page(page, address, is_signed_in=True)]
    assert found == []


def test_the_setup_page_has_no_serious_violation(new_browser: "NewBrowser", app: Flask) -> None:
    page = new_browser(bypass_csp=True).new_page()
    page.goto("/setup/" + (Path(app.instance_path) / "setup_token").read_text().strip())
    assert faults(page, "setup") == []
    page.get_by_label("Email address").fill("x@y.example")
    for label in ("Password", "App name"):
        page.get_by_label(label).fill("12345678")
    page.get_by_label("Team name").fill("   ")  # accepted by the browser, but not by the server
    page.get_by_role("button", name="Set up Checkend").click()
    page.get_by_text("can't be blank").wait_for()
    assert page.get_by_label("Team name").get_attribute("aria-invalid") == "true"
    assert faults(page, "setup with faults") == []
