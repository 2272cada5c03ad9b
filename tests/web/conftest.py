"""A real server and a real browser, for the tests marked ``browser``."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from waitress.server import create_server

from checkend.app import create_app
from checkend.services import services
from tests.support.factories import Factory
from tests.support.mail_server import MailServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = "/usr/bin/chromium"
# Playwright's own list, which the last such option replaces, and the browser's own suggestions below its address bar,
# which are pages too: they take half of what a new browser context costs.
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
    """The address of `app`, served on a free port of 127.0.0.1 by the server that production uses."""
    server = create_server(app, host="127.0.0.1", port=0, threads=4)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.close()
    thread.join(5)


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Debian's chromium, without a window. Skips the test where it, or Playwright, is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no {CHROMIUM}: apt install chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture
def new_browser(browser: "Browser", live_server: str) -> "Iterator[Callable[..., BrowserContext]]":
    """``new_browser()``: a browser without cookies at the live server; its options are Playwright's."""
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
    """An empty page at the live server. At its end the test fails if a script failed or the browser refused one."""
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
def mail_server() -> Iterator[MailServer]:
    """Takes mail on a port of its own."""
    server = MailServer()
    yield server
    server.close()


@pytest.fixture
def mailing(tmp_path: Path, mail_server: MailServer) -> Iterator[Flask]:
    """A server that sends mail to `mail_server`; ada@example.com is its user."""
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
