"""Makes docs/images: the main pages with demo data, light and dark, wide and narrow. Run from the checkout:

    python docs/screenshots.py

Needs Playwright and a chromium (CHROMIUM names it, /usr/bin/chromium by default). Starts a server of its own on a
free port over a temporary store, and leaves nothing behind but the pictures.
"""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PASSWORD = "demo-password"
SIZES = {"": (1280, 860), "-phone": (390, 844)}
ON_PHONES = ("home", "problems", "problem", "notice")


def main() -> None:
    """Take every picture in both themes; pages named on the command line alone, if any are."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for theme in ("light", "dark"):
            for suffix, size in SIZES.items():
                _take(browser, address, theme, suffix, size)
        browser.close()


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """A server with demo data; its address."""
    sys.path.insert(0, str(ROOT))
    from waitress.server import create_server

    from checkend.app import create_app
    from checkend.demo import fill

    app = create_app(instance_path=folder / "instance")
    fill(app, PASSWORD)
    server = create_server(app, host="127.0.0.1", port=0)
    threading.Thread(target=server.run, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        server.close()
        app.extensions["checkend_shutdown"]()


def _take(browser: Browser, address: str, theme: str, suffix: str, size: tuple[int, int]) -> None:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        device_scale_factor=1.5 if suffix else 1,
        color_scheme="dark" if theme == "dark" else "light",
    )
    page = context.new_page()
    _sign_in(page, address)
    for name, path in _pages(page, address).items():
        if (sys.argv[1:] and name not in sys.argv[1:]) or (suffix and name not in ON_PHONES):
            continue
        page.goto(address + path)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=IMAGES / f"{name}-{theme}{suffix}.png")
        print(f"{name}-{theme}{suffix}.png")
    context.close()


def _sign_in(page: Page, address: str) -> None:
    page.goto(address + "/sign-in")
    page.get_by_label("Email").fill("site-admin@demo.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(address + "/")


def _pages(page: Page, address: str) -> dict[str, str]:
    """The pages to show, by the name of their picture."""
    page.goto(address + "/problems?search=NoMethodError")
    problem = page.locator(".problem-link").first.get_attribute("href") or ""
    page.goto(address + problem)
    notice = page.locator(".notice-list .title").first.get_attribute("href") or ""
    return {
        "home": "/",
        "problems": "/problems",
        "problem": problem,
        "notice": notice,
        "app": "/apps/shop",
        "team": "/teams/storefront",
        "users": "/users",
        "api-keys": "/api-keys",
    }


if __name__ == "__main__":
    main()
