"""Fixtures: a live server and a browser for the tests marked ``browser``, and a server that sends mail."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from checkend.app import create_app
from checkend.services import services
from tests.support.factories import Factory
from tests.support.mail_server import MailServer
from tests.support.server_thread import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = "/usr/bin/chromium"
# Playwright's own list, which the last such option replaces, and the pages behind the suggestions of the address bar,
# which account for half of the cost of a new browser context.
DISABLED_FEATURES = (
    "AimEnabled AvoidCorsURLLoaderRestartOnRedirect AvoidUnnecessaryBeforeUnloadCheckSync DestroyProfileOnBrowserClose "
    "HttpsFirstBalancedModeAutoEnable HttpsUpgrades LensOverlay MediaRouter NetworkTimeServiceQuerying "
    "OptimizationHints PaintHolding PreconnectToSearch ThirdPartyStoragePartitioning "
    "WebUIOmniboxAimPopup WebUIOmniboxFullPopup WebUIOmniboxPopup"
).split()
ARGUMENTS = (
    f"--disable-features={','.join(DISABLED_FEATURES)}",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-gpu-compositing",
    "--disable-gpu-rasterization",
    "--in-process-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def live_server(app: Flask) -> Iterator[str]:
    """Provide the URL of `app`, served on a free port of 127.0.0.1."""
    with served(app) as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Debian's Chromium, headless. Skip the test if it or Playwright is not installed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no {CHROMIUM}: apt install chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture
def new_browser(browser: "Browser", live_server: str) -> "Iterator[Callable[..., BrowserContext]]":
    """Provide a function that opens a browser without cookies at the live server, with Playwright's options."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> "BrowserContext":
        context = browser.new_context(base_url=live_server, **options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def browser_page(new_browser: "Callable[..., BrowserContext]") -> "Iterator[Page]":
    """Provide an empty page at the live server. The test fails if a script fails or is blocked."""
    page = new_browser().new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: _note_violation(complaints, message.text))
    yield page
    assert complaints == []


def _note_violation(complaints: list[str], text: str) -> None:
    if "Content Security Policy" in text or "Content-Security-Policy" in text:
        complaints.append(text)


@pytest.fixture
def mailing(tmp_path: Path, mail_server: MailServer) -> Iterator[Flask]:
    """Provide a server that sends mail to `mail_server`, with the user ada@example.com."""
    settings = {
        "URL": "https://errors.example.com",
        "MAIL_HOST": "127.0.0.1",
        "MAIL_PORT": mail_server.port,
        "MAIL_TLS": "none",
    }
    app = create_app(settings, instance_path=tmp_path / "mailing")
    Factory(app).user("ada@example.com")
    yield app
    services(app).close()
