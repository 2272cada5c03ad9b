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
from typing import TYPE_CHECKING

from playwright.sync_api import Browser, Page, sync_playwright

if TYPE_CHECKING:
    from flask import Flask

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
IN_DOCUMENTS = frozenset({"problem-light", "alerts-light", "mail-problem-light", "mail-digest-light"})
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PASSWORD = "demo-password"
SIZES = {"": (1280, 860), "-phone": (390, 844)}
ON_PHONES = ("home", "problems", "problem", "notice")


def main() -> None:
    """Take the screenshots of the documents, or those of all pages into the folder given on the command line."""
    folder, images = (Path(sys.argv[1]), None) if len(sys.argv) > 1 else (IMAGES, IN_DOCUMENTS)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as instance, _server(Path(instance)) as (url, mails), sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for theme in ("light", "dark"):
            for suffix in SIZES:
                _take(browser, url, theme, suffix, folder, images)
        for name, html in mails.items():
            page = browser.new_page(viewport={"width": 720, "height": 100})
            page.set_content(html)
            page.screenshot(path=folder / f"{name}-light.png", full_page=True)
            print(folder / f"{name}-light.png")
        browser.close()


@contextmanager
def _server(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Run a server with demo data; yield its URL, and the HTML of mails about its problems by name."""
    sys.path.insert(0, str(ROOT))
    from waitress.server import create_server

    from checkend.app import create_app
    from checkend.demo import fill
    from checkend.services import services

    app = create_app(instance_path=folder / "instance")
    fill(app, PASSWORD)
    _add_channels(app)
    server = create_server(app, host="127.0.0.1", port=0)
    threading.Thread(target=server.run, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}", _mails(app)
    finally:
        server.close()
        services(app).close()


def _add_channels(app: "Flask") -> None:
    """Add channels to the app "Shop"; one of them keeps failing."""
    from checkend.db.session import db
    from checkend.db.transactions import write_transaction
    from checkend.models import App
    from checkend.notifications.channel_settings import create_channel
    from checkend.notifications.encryption import secret_box

    chat = {"url": "https://hooks.slack.example/services/T0/B0/secret"}
    with app.app_context(), write_transaction():
        shop = db.session.scalars(db.select(App).where(App.slug == "shop")).one()
        for fields in (
            {"kind": "email", "name": "Team", "config": {}},
            {
                "kind": "slack",
                "name": "#shop-alerts",
                "config": chat,
                "events": ["new_problem", "reoccurrence", "spike"],
            },
            {"kind": "ntfy", "name": "On-call phone", "config": {"topic": "shop-oncall"}},
        ):
            channel, _ = create_channel(shop, secret_box(), fields)
            if fields["kind"] == "slack":
                channel.failures, channel.last_error = 5, "The receiver responded 503."


def _mails(app: "Flask") -> dict[str, str]:
    """Return the HTML of a mail about one problem, and of a digest."""
    from checkend import clock
    from checkend.db.session import db
    from checkend.models import App, Channel, Delivery, Problem
    from checkend.notifications.channels.mail_message import build_message
    from checkend.notifications.summaries import build_notification

    mails = {}
    with app.app_context():
        shop = db.session.scalars(db.select(App).where(App.slug == "shop")).one()
        newest = db.select(Problem.id).where(Problem.app_id == shop.id).order_by(Problem.last_noticed_at.desc())
        ids = list(db.session.scalars(newest))
        for name, event, chosen in (("mail-problem", "new_problem", ids[:1]), ("mail-digest", "digest", ids)):
            with db.session.no_autoflush:
                delivery = Delivery(message_id="msg_1", event=event, problem_ids=chosen, environment="production")
                delivery.channel = Channel(app=shop, kind="email", name="Team")
                delivery.release, delivery.details, delivery.created_at = (
                    "1.4.2",
                    {"events": {"new_problem": 9}},
                    clock.now(),
                )
                notification = build_notification(delivery, "https://errors.example.com")
                db.session.expunge_all()
            assert notification is not None
            unsubscribe = "https://errors.example.com/unsubscribe/x"
            sender, recipient = "Checkend <errors@example.com>", "ada@example.com"
            message = build_message(
                notification, sender, recipient, host="errors.example.com", unsubscribe_url=unsubscribe
            )
            body = message.get_body(("html",))
            assert body is not None
            mails[name] = str(body.get_content())
            shop = db.session.scalars(db.select(App).where(App.slug == "shop")).one()
    return mails


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
        "alerts": "/apps/shop/alerts",
        "muted": "/problems?status=muted",
        "team": "/teams/storefront",
        "users": "/users",
        "mail": "/mail",
        "api-keys": "/api-keys",
        "audit-log": "/audit-log",
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
