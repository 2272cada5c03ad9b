"""The pages of problems in a browser: bulk actions, keyboard, copying, hostile content, no JavaScript."""

import json
import re
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.factories import Factory
from tests.support.hostile_texts import hostile_report
from tests.support.pages import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def report(server: str, key: str, value: dict[str, Any]) -> int:
    """Report an error as an SDK does; return the problem's id."""
    request = urllib.request.Request(
        f"{server}/ingest/v1/errors",
        json.dumps(value).encode(),
        {"Content-Type": "application/json", "Checkend-Ingestion-Key": key},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return int(json.load(answer)["problem_id"])


def error(error_class: str) -> dict[str, Any]:
    frames = ["[PROJECT_ROOT]/app/cart.rb:1:in 'total'", "/usr/lib/ruby/gems/rack/rack.rb:2:in 'call'"]
    return {
        "error": {"class": error_class, "message": f"{error_class} happened", "backtrace": frames},
        "notifier": {"name": "checkend-ruby", "language": "ruby"},
    }


def sign_in(page: "Page") -> None:
    """Sign in without showing the pages for it, which another test does."""
    requests = page.context.request
    token = re.search(r'name="csrf_token" value="([^"]+)"', requests.get("/sign-in").text())
    assert token
    form = {"csrf_token": token[1], "email_address": "ada@example.com", "password": PASSWORD}
    assert requests.post("/sign-in", form=form, max_redirects=0).status == 302


@pytest.fixture
def key(make: Factory) -> str:
    """Provide the ingestion key of an app; a site admin exists."""
    make.user("ada@example.com", PASSWORD, site_admin=True)
    return str(make.app("Shop")["ingestion_key"])


def test_resolved_in_bulk_and_open_again_when_it_happens_again(
    key: str, live_server: str, browser_page: "Page"
) -> None:
    for name in ("FirstError", "SecondError", "ThirdError"):
        report(live_server, key, error(name))
    page = browser_page
    sign_in(page)
    page.goto("/problems")
    page.get_by_label("Select FirstError").check()
    page.get_by_label("Select ThirdError").check()
    page.get_by_text("2 selected").wait_for()
    page.get_by_role("button", name="Resolve").click()
    page.get_by_text("Resolved 2 problems.").wait_for()
    assert page.locator(".problem-class").all_inner_texts() == ["SecondError"]
    report(live_server, key, error("FirstError"))
    page.reload()
    assert page.locator(".problem-class").all_inner_texts() == ["FirstError", "SecondError"]


def test_a_problem_is_muted_for_more_occurrences(key: str, live_server: str, browser_page: "Page") -> None:
    problem_id = report(live_server, key, error("FirstError"))
    page = browser_page
    sign_in(page)
    page.goto(f"/problems/{problem_id}")
    page.locator("summary", has_text="Mute").click()
    page.get_by_label("Number of further occurrences").fill("25")  # selects its choice
    page.get_by_label("Reason").fill("waiting for the fix")
    page.get_by_role("button", name="Mute", exact=True).click()
    page.locator(".page-header", has_text="Muted for 25 more occurrences").wait_for()
    assert "waiting for the fix" in page.locator(".page-header").inner_text()
    page.get_by_role("button", name="Unmute").click()
    page.get_by_text("Unmuted.").wait_for()


def test_all_that_match_are_selected_across_pages_and_deleted_when_confirmed(
    key: str, make: Factory, browser_page: "Page"
) -> None:
    for _ in range(30):
        make.problem(1, error_class="ManyError")
    make.problem(1, error_class="OtherError")
    page = browser_page
    sign_in(page)
    page.goto("/problems?search=manyerror")
    page.get_by_label("Select all on this page").check()
    page.get_by_text("25 selected").wait_for()
    page.get_by_label("All 30 matching problems").check()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete 30 problems").click()
    page.get_by_text("Deleted 30 problems.").wait_for()
    page.goto("/problems")
    assert page.locator(".problem-class").all_inner_texts() == ["OtherError"]


def test_the_list_is_worked_by_keyboard(key: str, make: Factory, browser_page: "Page") -> None:
    for name in ("Oldest", "Middle", "Newest"):
        make.problem(1, error_class=name)
    page = browser_page
    sign_in(page)
    page.goto("/problems")
    page.keyboard.press("?")
    page.get_by_role("heading", name="Keyboard shortcuts").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.get_by_text("1 selected").wait_for()
    page.keyboard.press("k")
    page.keyboard.press("r")
    page.get_by_text("Resolved 1 problem.").wait_for()
    assert page.locator(".problem-class").all_inner_texts() == ["Newest", "Oldest"]
    page.keyboard.press("/")
    page.keyboard.type("oldest")
    page.keyboard.press("Enter")
    page.wait_for_url("**/problems?search=oldest*")
    assert page.locator(".problem-class").all_inner_texts() == ["Oldest"]
    page.keyboard.press("j")
    page.keyboard.press("r")
    page.get_by_text("Resolved 1 problem.").wait_for()


def test_a_selected_filter_applies_immediately_and_is_in_the_url(key: str, make: Factory, browser_page: "Page") -> None:
    make.problem(1)
    page = browser_page
    sign_in(page)
    page.goto("/problems")
    page.get_by_label("Time range", exact=True).select_option("7d")
    page.wait_for_url("**/problems?since=7d*")
    assert "search=" not in page.url


def test_a_problem_is_copied_as_markdown(
    key: str, live_server: str, new_browser: "Callable[..., BrowserContext]"
) -> None:
    problem = report(live_server, key, error("CopyError"))
    page = new_browser(permissions=["clipboard-read", "clipboard-write"]).new_page()
    sign_in(page)
    page.goto(f"/problems/{problem}")
    page.get_by_role("button", name="Copy as Markdown").click()
    page.get_by_role("button", name="Copied").wait_for()
    lines = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert lines[0] == "# CopyError"
    assert "> CopyError happened" in lines
    assert f"- **Link:** {live_server}/problems/{problem}" in lines
    assert "→ [PROJECT_ROOT]/app/cart.rb:1 in total" in lines


def test_library_frames_unfold(key: str, live_server: str, browser_page: "Page") -> None:
    problem = report(live_server, key, error("FoldError"))
    page = browser_page
    sign_in(page)
    page.goto(f"/problems/{problem}")
    assert page.locator(".frame", has_text="rack.rb").is_hidden()
    page.get_by_role("button", name="Show all frames").click()
    assert page.locator(".frame", has_text="rack.rb").is_visible()


@pytest.mark.parametrize("width", [390, 1280])
def test_hostile_content_neither_runs_nor_breaks_the_page(
    key: str, live_server: str, new_browser: "Callable[..., BrowserContext]", width: int
) -> None:
    problem = report(live_server, key, hostile_report())
    page = new_browser(viewport={"width": width, "height": 800}).new_page()
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    sign_in(page)
    for address in (
        "/",
        "/problems",
        "/apps/shop/problems?status=all",
        f"/problems/{problem}",
        f"/problems/{problem}/notices",
        f"/problems/{problem}/notices/1",
    ):
        page.goto(address)
        for fold in page.locator("main details:not([data-menu])").all():
            fold.evaluate("fold => { fold.open = true }")
        assert page.evaluate("window.hacked") is None
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{address} is {overflow} pixels too wide"
    assert dialogs == []


def test_the_list_works_without_scripts(key: str, make: Factory, new_browser: "Callable[..., BrowserContext]") -> None:
    make.problem(1, error_class="PlainError")
    page = new_browser(java_script_enabled=False).new_page()
    sign_in(page)
    page.goto("/problems")
    page.get_by_label("Select PlainError").check()
    page.get_by_role("button", name="Resolve").click()
    page.get_by_text("Resolved 1 problem.").wait_for()
    page.goto("/problems/1")
    page.get_by_role("link", name="View as Markdown").click()
    assert "# PlainError" in page.inner_text("body")
