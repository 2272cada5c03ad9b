"""Take screenshots of the dashboard with demo data.

Run it from a checkout:

    python docs/screenshots.py           # docs/images: the screenshots that the documents show
    python docs/screenshots.py FOLDER    # every page, light and dark, some also on a phone, for a review

Needs Playwright and Chromium (``CHROMIUM`` names the executable, /usr/bin/chromium by default). The server runs on a
free port with a temporary database.
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
IN_DOCUMENTS = frozenset({"problem-light"})
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PASSWORD = "demo-password"
SIZES = {"": (1280, 860), "-phone": (390, 844)}
ON_PHONES = ("home", "problems", "problem", "notice")


def main() -> None:
    """Take the screenshots of the documents, or those of all pages into the folder given on the command line."""
    folder, images = (Path(sys.argv[1]), None) if len(sys.argv) > 1 else (IMAGES, IN_DOCUMENTS)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as instance, _server(Path(instance)) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for theme in ("light", "dark"):
            for suffix in SIZES:
                _take(browser, url, theme, suffix, folder, images)
        browser.close()


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """Run a server with demo data; yield its URL."""
    sys.path.insert(0, str(ROOT))
    from waitress.server import create_server

    from checkend.app import create_app
    from checkend.demo import fill
    from checkend.services import services

    app = create_app(instance_path=folder / "instance")
    fill(app, PASSWORD)
    server = create_server(app, host="127.0.0.1", port=0)
    threading.Thread(target=server.run, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        server.close()
        services(app).close()


def _take(browser: Browser, url: str, theme: str, suffix: str, folder: Path, images: frozenset[str] | None) -> None:
    """Take the screenshots in one theme and size: ``images``, or all of them for None."""
    width, height = SIZES[suffix]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=1.5 if suffix else 1,
        color_scheme="dark" if theme == "dark" else "light",
    )
    page = context.new_page()
    _sign_in(page, url)
    for name, path in _pages(page, url).items():
        image = f"{name}-{theme}{suffix}"
        if (images is not None and image not in images) or (suffix and name not in ON_PHONES):
            continue
        page.goto(url + path)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=folder / f"{image}.png")
        print(folder / f"{image}.png")
    context.close()


def _sign_in(page: Page, url: str) -> None:
    page.goto(url + "/sign-in")
    page.get_by_label("Email").fill("site-admin@demo.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(url + "/")


def _pages(page: Page, url: str) -> dict[str, str]:
    """Return the paths of the pages by the names of their images."""
    page.goto(url + "/problems?search=NoMethodError")
    problem = page.locator(".problem-link").first.get_attribute("href") or ""
    page.goto(url + problem)
    notice = page.locator(".notice-list .title").first.get_attribute("href") or ""
    return {
        "home": "/",
        "problems": "/problems",
        "problem": problem,
        "notice": notice,
        "app": "/apps/shop",
        "team": "/teams/storefront",
        "users": "/users",
        "mail": "/mail",
        "api-keys": "/api-keys",
        "notices": f"{problem}/notices",
        "no-matches": "/problems?search=nothing-like-this",
        "apps": "/apps",
        "app-new": "/apps/new",
        "app-settings": "/apps/shop/settings",
        "teams": "/teams",
        "api-key-new": "/api-keys/new",
        "account": "/account",
        "sessions": "/account/sessions",
        "forgotten-password": "/forgotten-password",
        "not-found": "/problems/999999",
    }


if __name__ == "__main__":
    main()
