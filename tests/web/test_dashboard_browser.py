"""The dashboard in a browser: layout on a phone, forms, keyboard."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from flask import Flask

from checkend.db.session import db
from checkend.models import Problem, User, UserSession
from tests.support.factories import Factory

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def signed_in(
    app: Flask, make: Factory, new_browser: "Callable[..., BrowserContext]", live_server: str
) -> "Callable[..., Page]":
    """``signed_in()``: a function that opens a page as a site admin; there is an app with 26 problems."""
    user_id = make.user("ada@example.com", site_admin=True)
    shop = make.app("Recommendation engine", environment="production")
    for number in range(26):
        make.problem(shop["id"], error_class=f"Error{number}")

    def start_session() -> str:
        return UserSession.start(db.session.get_one(User, user_id), user_agent="", address="")[1]

    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"] = make.run(start_session)
    cookie = client.get_cookie("checkend_session")
    assert cookie

    def open_browser(**options: object) -> "Page":
        context = new_browser(**options)
        context.add_cookies([{"name": "checkend_session", "value": cookie.value, "url": live_server}])
        return context.new_page()

    return open_browser


def is_uncovered(element: "Locator") -> bool:
    """Return whether the center of the element is in the window and not covered by another element."""
    return bool(
        element.evaluate(
            "element => { const box = element.getBoundingClientRect(); const shown = document.elementFromPoint("
            "(box.left + box.right) / 2, (box.top + box.bottom) / 2); return element.contains(shown) }"
        )
    )


def test_on_a_phone_the_bulk_actions_are_in_reach_wherever_the_list_is_scrolled(
    signed_in: "Callable[..., Page]",
) -> None:
    page = signed_in(viewport=PHONE)
    page.goto("/problems")
    unmoved = page.locator(".problem").nth(20).evaluate("row => row.offsetTop")
    page.locator("[name=id]").nth(20).check()
    for name in ("Resolve", "Tag", "Untag", "Delete…"):
        assert is_uncovered(page.get_by_role("button", name=name, exact=True)), name
    assert is_uncovered(page.get_by_label("Select all on this page"))
    assert page.locator(".problem").nth(20).evaluate("row => row.offsetTop") == unmoved
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    assert is_uncovered(page.locator(".problem").last)
    assert is_uncovered(page.get_by_role("link", name="Next"))
    page.set_viewport_size({"width": 800, "height": 600})  # at this width, the navigation is a line of its own
    assert is_uncovered(page.get_by_label("Select all on this page"))
    page.set_viewport_size(PHONE)
    page.get_by_role("button", name="Resolve").click()
    page.get_by_text("Resolved 1 problem.").wait_for()


def test_on_a_phone_the_list_of_apps_keeps_words_whole_and_shows_every_column(
    signed_in: "Callable[..., Page]",
) -> None:
    page = signed_in(viewport=PHONE)
    page.goto("/apps")
    row = page.locator("tbody tr")
    for text in ("Recommendation engine", "production", "26"):
        box = row.get_by_text(text, exact=True).first.bounding_box()
        assert box
        assert box["height"] < 30, f"{text} is broken into lines"
        assert box["x"] + box["width"] <= PHONE["width"]
    assert row.locator("time").is_visible()
    assert page.locator(".table-wrap").evaluate("wrap => wrap.scrollWidth - wrap.clientWidth") == 0


INTERRUPT = """() => {
  const button = document.querySelector("form[action$='/resolve'] button");
  for (const moment of [0, 50]) setTimeout(() => button.click(), moment);
  setTimeout(() => window.stop(), 100);
}"""
WITHOUT_NAVIGATION_API = """
  Object.defineProperty(window, "navigation", { value: undefined });
  const real = window.setTimeout;
  window.setTimeout = (action, wait) => real(action, wait === 10_000 ? 200 : wait);
"""


@pytest.mark.parametrize("reported", [True, False], ids=["navigateerror", "timeout"])
def test_a_form_is_sent_once_and_again_when_the_first_time_was_interrupted(
    signed_in: "Callable[..., Page]", reported: bool
) -> None:
    page = signed_in()
    if not reported:
        page.add_init_script(WITHOUT_NAVIGATION_API)
    page.goto("/problems/1")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method) if request.method == "POST" else None)
    page.route("**/problems/1/resolve", lambda route: None)  # never respond
    with page.expect_event("requestfailed"):
        page.evaluate(INTERRUPT)
    assert sent == ["POST"]
    page.unroute("**/problems/1/resolve")
    page.locator("form[data-submitted]").wait_for(state="detached", timeout=2_000)
    page.get_by_role("button", name="Resolve").click()
    page.get_by_text("Resolved. The problem is reopened").wait_for()
    assert sent == ["POST", "POST"]


def test_enter_on_a_checkbox_does_nothing_and_in_the_tag_field_adds_the_tag(
    signed_in: "Callable[..., Page]", make: Factory
) -> None:
    page = signed_in()
    page.goto("/problems")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method) if request.method == "POST" else None)
    page.get_by_label("Select Error7").check()
    page.keyboard.press("Enter")
    page.get_by_label("Select all on this page").focus()
    page.keyboard.press("Enter")
    for _ in range(2):  # closing a dialog does not count as submitting a form
        page.get_by_role("button", name="Shortcuts").click()
        page.get_by_role("button", name="Close").click()
    assert page.locator("dialog").is_hidden()
    assert sent == []
    page.get_by_label("Tag", exact=True).fill("urgent")
    page.keyboard.press("Enter")
    page.get_by_text("Tagged 1 problem.").wait_for()
    assert make.run(lambda: [problem.error_class for problem in Problem.query.all() if problem.tags]) == ["Error7"]
