"""The alerts page of an app: channels, test messages, deliveries, and the mail that users choose to get."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from standardwebhooks.webhooks import Webhook

from checkend.app import create_app
from checkend.db.session import db
from checkend.models import App, Channel, Delivery, NotificationPreference, Problem, User
from checkend.notifications.channels.kinds import REQUEST_KINDS
from checkend.notifications.unsubscribe import unsubscribe_url
from checkend.schemas.channel import KINDS as API_KINDS
from checkend.services import services
from checkend.web.channel_forms import new_form
from checkend.web.presenters.channel_kinds import KINDS
from tests.support.factories import Factory
from tests.support.mail_server import MailServer
from tests.support.pages import follow, sign_in, submit
from tests.support.receiver import Receiver
from tests.web.test_browser import sign_in as browser_sign_in

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

SLACK_URL = "https://hooks.slack.com/services/T0/B0/verysecret"
FILTERS = {
    "events": ["new_problem"],
    "environments": "",
    "min_level": "debug",
    "min_interval_seconds": "0",
    "spike_occurrences": "100",
    "spike_minutes": "5",
}
SignedIn = Callable[[str], FlaskClient]


@pytest.fixture
def app(tmp_path: Path, mail_server: MailServer) -> Iterator[Flask]:
    """Provide a server that sends mail to `mail_server`, and requests to loopback, with the user ada@example.com."""
    settings = {
        "URL": "https://errors.example.com",
        "MAIL_HOST": "127.0.0.1",
        "MAIL_PORT": str(mail_server.port),
        "MAIL_TLS": "none",
        "OUTBOUND_ALLOW": "127.0.0.1",
        "RATE_LIMIT_ENABLED": "false",
    }
    app = create_app(settings, instance_path=tmp_path / "instance")
    Factory(app).user("ada@example.com")
    yield app
    services(app).close()


@pytest.fixture
def shop(make: Factory) -> dict[str, Any]:
    """Provide the app Shop of a team with a developer and a viewer, and an app of another team."""
    shop, team = make.app("Shop"), make.team("Core", make.user("owner@example.com"))
    make.assign(team, shop["id"])
    for role in ("developer", "viewer"):
        make.join(team, make.user(f"{role}@example.com"), role)  # type: ignore[arg-type]  # both are roles
    make.assign(make.team("Others"), make.app("Other")["id"])
    return shop


@pytest.fixture
def signed_in(app: Flask, shop: dict[str, Any]) -> SignedIn:
    """Provide a function that opens a browser in which a user is signed in."""

    def open_browser(email: str) -> FlaskClient:
        client = app.test_client()
        sign_in(client, email)
        return client

    return open_browser


@pytest.fixture
def developer(signed_in: SignedIn) -> FlaskClient:
    """Provide the browser of a developer."""
    return signed_in("developer@example.com")


def add(client: FlaskClient, kind: str, name: str = "", **settings: str) -> str:
    """Add a channel; return the page that the response redirects to."""
    fields = FILTERS | {"name": name or kind} | settings
    return follow(client, submit(client, f"/apps/shop/alerts/new?kind={kind}", fields))


def state(make: Factory, model: type[Any] = Channel) -> list[dict[str, Any]]:
    """Return all rows of a model."""
    return make.run(
        lambda: [
            {column.name: getattr(row, column.name) for column in model.__table__.columns}
            for row in db.session.query(model).order_by(model.id)
        ]
    )


def fail(make: Factory, channel_id: int = 1, failures: int = 5) -> None:
    """Let a channel have failed."""

    def act() -> None:
        channel = db.session.get_one(Channel, channel_id)
        channel.failures, channel.last_error = failures, "The receiver responded 500."

    make.run(act)


def deliver(make: Factory, app_id: int, *, count: int = 1, **fields: Any) -> None:
    """Add deliveries about a problem to the first channel."""
    problem = make.problem(app_id, error_class="PaymentError")

    def act() -> None:
        for _ in range(count):
            db.session.add(Delivery(channel_id=1, event="new_problem", problem_ids=[problem], **fields))

    make.run(act)


def test_the_empty_page_says_what_to_do_next(developer: FlaskClient) -> None:
    page = developer.get("/apps/shop/alerts").text
    assert "Nobody is notified yet" in page
    assert 'href="/apps/shop/alerts/new"' in page
    assert 'href="/apps/shop/alerts"' in developer.get("/apps/shop").text


def test_the_picker_shows_every_kind_and_a_form_only_the_fields_of_its_own(developer: FlaskClient) -> None:
    picker = developer.get("/apps/shop/alerts/new").text
    assert set(KINDS) == set(API_KINDS) == {*REQUEST_KINDS, "email"}
    for kind in KINDS.values():
        assert f'href="/apps/shop/alerts/new?kind={kind.name}"' in picker
        page = developer.get(f"/apps/shop/alerts/new?kind={kind.name}").text
        names = set(re.findall(r'<(?:input|textarea|select)[^>]* name="(\w+)"', page)) - {"csrf_token", "next"}
        settings = {setting.name for setting in kind.settings}
        assert names == settings | {"name", *FILTERS}
        for setting in kind.settings:
            is_password = f'id="{setting.name}" name="{setting.name}"' in page and bool(
                re.search(rf'<input[^>]* name="{setting.name}"[^>]* type="password"', page)
            )
            assert is_password == kind.is_secret(setting), (kind.name, setting.name)
    assert developer.get("/apps/shop/alerts/new?kind=pigeon").status_code == 404


def test_every_kind_can_be_added(developer: FlaskClient, make: Factory) -> None:
    added: dict[str, dict[str, str]] = {
        "email": {"recipients": "ada@example.com\r\n\r\n eve@example.com \r\n"},
        "slack": {"url": f" {SLACK_URL}\n"},
        "discord": {"url": "https://discord.com/api/webhooks/1/x"},
        "teams": {"url": "https://prod.example.com/workflows/x"},
        "google_chat": {"url": "https://chat.googleapis.com/v1/spaces/x"},
        "telegram": {"token": "123456:ABC-DEF1234ghIkl-zyx57W2v1u", "chat_id": "@alerts", "message_thread_id": ""},
        "ntfy": {"topic": "shop", "server": "", "token": ""},
        "github": {"repository": "acme/shop", "token": "t", "labels": "bug\r\ncheckend", "server": ""},
        "apprise": {"url": "gotifys://push.example.com/SecretToken"},
        "gitlab": {"project": "acme/shop", "token": "t", "labels": "", "server": ""},
        "webhook": {"url": "https://hooks.example.com/x"},
    }
    assert added.keys() == KINDS.keys()
    for kind, settings in added.items():
        add(developer, kind, **settings)
    rows = state(make)
    assert [row["kind"] for row in rows] == list(added)
    assert rows[0]["config"] == {"recipients": ["ada@example.com", "eve@example.com"]}
    assert [row["config"] for row in rows[1:5]] == [{}] * 4
    assert rows[5]["config"] == {"chat_id": "@alerts"}
    assert (rows[6]["config"], rows[6]["secrets"]) == ({"topic": "shop"}, None)
    assert rows[7]["config"] == {"repository": "acme/shop", "labels": ["bug", "checkend"]}
    page = developer.get("/apps/shop/alerts").text
    assert "ada@example.com, eve@example.com" in page
    assert "https://hooks.example.com/x" in page
    assert page.count("nothing delivered yet") == len(added)


def test_secrets_are_never_shown_again_and_stay_when_left_empty(developer: FlaskClient, make: Factory) -> None:
    add(developer, "slack", "Ops", url=SLACK_URL)
    before = state(make)[0]["secrets"]
    page = developer.get("/apps/shop/alerts/1").text
    assert "Leave empty to keep" in page
    assert not re.search(r'<input[^>]* name="url"[^>]* required', page)
    fields = FILTERS | {"name": "Ops 2", "url": "", "environments": "production\nstaging", "events": ["reoccurrence"]}
    page = follow(developer, submit(developer, "/apps/shop/alerts/1", fields))
    assert "Saved channel &#39;Ops 2&#39;." in page
    assert "only production, staging" in page
    row = state(make)[0]
    assert (row["name"], row["secrets"], row["events"]) == ("Ops 2", before, ["reoccurrence"])
    for path in ("/apps/shop/alerts", "/apps/shop/alerts/1", "/apps/shop/alerts/1/deliveries"):
        assert "verysecret" not in developer.get(path).text
    answer = submit(developer, "/apps/shop/alerts/1", fields | {"url": "http://hooks.slack.com/other"})
    assert answer.status_code == 422
    assert "hooks.slack.com/other" not in answer.text
    follow(developer, submit(developer, "/apps/shop/alerts/1", fields | {"url": SLACK_URL + "2"}))
    assert state(make)[0]["secrets"] != before


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("slack", {"url": ""}, "Webhook URL is missing. Enter a URL that starts with https://."),
        ("slack", {"url": "ftp://x"}, "Webhook URL must be a valid URL that starts with https://."),
        ("slack", {"url": SLACK_URL, "name": " "}, "Name can&#39;t be blank."),
        ("slack", {"url": SLACK_URL, "events": []}, "Select at least one event."),
        ("slack", {"url": SLACK_URL, "events": ["x"]}, "not a valid choice"),
        ("slack", {"url": SLACK_URL, "min_level": "x"}, "Not a valid choice"),
        ("slack", {"url": SLACK_URL, "spike_occurrences": "1"}, "Enter a whole number from 2 to 1,000,000."),
        ("slack", {"url": SLACK_URL, "spike_minutes": ""}, "Enter a whole number from 1 to 60."),
        ("slack", {"url": SLACK_URL, "environments": "x" * 256}, "Environments must be at most 255 characters."),
        (
            "slack",
            {"url": SLACK_URL, "environments": "\n".join(map(str, range(51)))},
            "Environments must contain at most 50 names.",
        ),
        ("email", {"recipients": "nobody"}, "Recipient &#39;nobody&#39;"),
        ("telegram", {"token": "x", "chat_id": "@alerts"}, "Bot token must be the bot&#39;s token"),
    ],
)
def test_invalid_settings_are_explained_and_nothing_is_added(
    kind: str, fields: dict[str, Any], message: str, developer: FlaskClient, make: Factory
) -> None:
    answer = submit(developer, f"/apps/shop/alerts/new?kind={kind}", FILTERS | {"name": "Ops"} | fields)
    assert answer.status_code == 422
    assert message in answer.text
    assert state(make) == []


def test_the_form_says_which_events_are_off_and_that_mail_is_not_configured(app: Flask, developer: FlaskClient) -> None:
    page = developer.get("/apps/shop/alerts/new?kind=email").text
    assert "off for all channels" not in page
    assert "cannot send email" not in page
    submit(developer, "/apps/shop/alerts/events", {"notify_on_new_problem": "y"})
    app.config["MAIL_HOST"] = ""
    page = developer.get("/apps/shop/alerts/new?kind=email").text
    assert page.count("off for all channels") == 1
    assert "This server cannot send email yet." in page
    assert "cannot send email" not in developer.get("/apps/shop/alerts/new?kind=slack").text


def test_a_channel_can_be_notified_of_spikes(developer: FlaskClient, make: Factory) -> None:
    page = developer.get("/apps/shop/alerts/new?kind=ntfy").text
    assert re.search(r'id="spike_occurrences"[^>]* value="100"', page)
    add(developer, "ntfy", topic="shop")
    events = ["new_problem", "threshold", "spike", "unmuted"]
    changes = {"events": events, "min_level": "warning", "spike_occurrences": "30", "spike_minutes": "2"}
    submit(developer, "/apps/shop/alerts/1", FILTERS | {"name": "ntfy", "topic": "shop"} | changes)
    row = state(make)[0]
    assert (row["events"], row["min_level"]) == (events, "warning")
    assert (row["spike_occurrences"], row["spike_minutes"], row["watches_spikes"]) == (30, 2, True)
    assert re.search(r'id="spike_minutes"[^>]* value="2"', developer.get("/apps/shop/alerts/1").text)


def test_an_interval_from_the_api_is_kept(developer: FlaskClient, make: Factory) -> None:
    add(developer, "ntfy", topic="shop")
    make.run(lambda: db.session.get_one(Channel, 1).change(min_interval_seconds=90))
    assert '<option value="90" selected>90 seconds</option>' in developer.get("/apps/shop/alerts/1").text
    for seconds, status in (("90", 302), ("-1", 422), ("86401", 422), ("x", 422)):
        fields = FILTERS | {"name": "ntfy", "topic": "shop", "min_interval_seconds": seconds}
        assert submit(developer, "/apps/shop/alerts/1", fields).status_code == status
    assert state(make)[0]["min_interval_seconds"] == 90


def test_the_limit_of_channels_is_explained(developer: FlaskClient, make: Factory, shop: dict[str, Any]) -> None:
    for number in range(20):
        make.run(lambda: Channel.create(db.session.get_one(App, 1), kind="email", name="Mail").id)
        assert number < 20
    answer = submit(developer, "/apps/shop/alerts/new?kind=email", FILTERS | {"name": "One more"})
    assert answer.status_code == 422
    assert "at most 20 channels" in answer.text


def test_the_signing_secret_of_a_webhook_is_shown_once_and_signs(developer: FlaskClient, receiver: Receiver) -> None:
    page = add(developer, "webhook", url=receiver.url)
    secret = re.search(r"whsec_[\w+/=]+", page)
    assert secret
    assert "whsec_" not in developer.get("/apps/shop/alerts/1/secret").text
    page = follow(developer, submit(developer, "/apps/shop/alerts/1/test"))
    assert "was delivered" in page
    [request] = receiver.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    Webhook(secret[0]).verify(request.body, headers)
    page = follow(developer, submit(developer, "/apps/shop/alerts/1/rotate-secret"))
    rotated = re.search(r"whsec_[\w+/=]+", page)
    assert rotated
    assert rotated[0] != secret[0]
    submit(developer, "/apps/shop/alerts/1/test")
    headers = {name.lower(): value for name, value in receiver.requests[1].headers.items()}
    for value in (secret[0], rotated[0]):  # the old one is valid for another day
        Webhook(value).verify(receiver.requests[1].body, headers)


def test_only_webhooks_have_a_page_for_a_signing_secret(developer: FlaskClient) -> None:
    add(developer, "email")
    assert developer.get("/apps/shop/alerts/1/secret").status_code == 404
    assert "Rotate" not in developer.get("/apps/shop/alerts/1").text
    page = follow(developer, submit(developer, "/apps/shop/alerts/1/rotate-secret"))
    assert "Only webhooks have a signing secret." in page


def test_secrets_whose_key_is_lost_are_entered_again(app: Flask, developer: FlaskClient, receiver: Receiver) -> None:
    add(developer, "slack", url=SLACK_URL)
    add(developer, "webhook", url=receiver.url)
    (Path(app.instance_path) / "encryption_keys").unlink()
    fields = FILTERS | {"name": "Ops"}
    answer = submit(developer, "/apps/shop/alerts/1", fields | {"url": ""})
    assert answer.status_code == 422
    assert "cannot be decrypted" in answer.text
    assert "Saved" in follow(developer, submit(developer, "/apps/shop/alerts/1", fields | {"url": SLACK_URL}))
    assert "whsec_" in follow(developer, submit(developer, "/apps/shop/alerts/2/rotate-secret"))
    assert "was delivered" in follow(developer, submit(developer, "/apps/shop/alerts/2/test"))


def test_a_test_message_is_real_and_its_failure_is_explained(
    developer: FlaskClient, receiver: Receiver, mail_server: MailServer
) -> None:
    add(developer, "webhook", "Hook", url=receiver.url)
    receiver.script = [(500, {})]
    page = follow(developer, submit(developer, "/apps/shop/alerts/1/test"))
    assert "The test message through &#39;Hook&#39; was not delivered. The receiver responded 500." in page
    assert page.count("The receiver responded 500.") == 2  # the message, and the channel
    page = follow(developer, submit(developer, "/apps/shop/alerts/1/test"))
    assert "The test message through &#39;Hook&#39; was delivered." in page
    assert "last delivered" in page
    assert "The receiver responded 500." not in page
    assert receiver.requests[1].json["type"] == "test"
    add(developer, "email")
    submit(developer, "/apps/shop/alerts/2/test")
    recipients = {recipient for recipient, _ in mail_server.mails}
    assert recipients == {f"{name}@example.com" for name in ("owner", "developer", "viewer")}


def test_a_failing_channel_shows_a_banner_until_it_works_again(
    developer: FlaskClient, signed_in: SignedIn, make: Factory, receiver: Receiver
) -> None:
    add(developer, "webhook", "Hook", url=receiver.url)
    fail(make, failures=4)
    assert "are failing" not in developer.get("/apps/shop").text
    fail(make, failures=5)
    for path in ("/apps/shop", "/apps/shop/alerts"):
        page = developer.get(path).text
        assert "Notifications through “Hook” are failing." in page
        assert "The receiver responded 500." in page
    assert ">failing</span>" in developer.get("/apps/shop/alerts").text
    assert "are failing" not in signed_in("viewer@example.com").get("/apps/shop").text
    submit(developer, "/apps/shop/alerts/1/test")
    assert "are failing" not in developer.get("/apps/shop/alerts").text


def test_a_channel_that_was_disabled_by_its_receiver_says_so_and_can_be_enabled(
    developer: FlaskClient, make: Factory, receiver: Receiver
) -> None:
    add(developer, "webhook", "Hook", url=receiver.url)

    def reject() -> None:
        channel = db.session.get_one(Channel, 1)
        channel.enabled, channel.failures, channel.last_error = False, 1, "The receiver responded 410."

    make.run(reject)
    page = developer.get("/apps/shop/alerts").text
    assert "Notifications through “Hook” have stopped." in page
    assert "The channel was disabled." in page
    page = follow(developer, submit(developer, "/apps/shop/alerts/1/enabled", {"enabled": "yes"}))
    assert "Enabled channel &#39;Hook&#39;." in page
    assert "have stopped" not in page
    assert ">enabled</span>" in page


def test_disabling_drops_what_is_pending_and_shows_no_banner(
    developer: FlaskClient, make: Factory, shop: dict[str, Any]
) -> None:
    add(developer, "email")
    deliver(make, shop["id"])
    fail(make)
    page = follow(developer, submit(developer, "/apps/shop/alerts/1/enabled", {"enabled": "no"}))
    assert ">disabled</span>" in page
    assert "have stopped" not in page
    [delivery] = state(make, Delivery)
    assert (delivery["status"], delivery["last_error"]) == ("gave_up", "The channel was disabled.")
    assert "Send again" not in developer.get("/apps/shop/alerts/1/deliveries").text
    page = follow(developer, submit(developer, "/apps/shop/alerts/1/deliveries/1/redeliver"))
    assert "The channel is disabled. Enable it first." in page


def test_a_channel_is_deleted_with_its_deliveries(developer: FlaskClient, make: Factory, shop: dict[str, Any]) -> None:
    add(developer, "email", "Mail")
    deliver(make, shop["id"])
    page = follow(developer, submit(developer, "/apps/shop/alerts/1/delete"))
    assert "Deleted channel &#39;Mail&#39;." in page
    assert (state(make), state(make, Delivery)) == ([], [])


def test_deliveries_are_listed_with_what_became_of_them_and_can_be_sent_again(
    developer: FlaskClient, make: Factory, shop: dict[str, Any]
) -> None:
    add(developer, "email")
    assert "Nothing was sent yet" in developer.get("/apps/shop/alerts/1/deliveries").text
    error = "The mail server responded 550: <b>unknown</b>"
    deliver(make, shop["id"], status="gave_up", attempts=11, last_error=error, recipient="eve@example.com")
    page = developer.get("/apps/shop/alerts/1/deliveries").text
    for text in ("PaymentError", "gave up", "11 attempts", "to eve@example.com", "550: &lt;b&gt;unknown"):
        assert text in page
    assert 'href="/problems/1"' in page
    page = follow(developer, submit(developer, "/apps/shop/alerts/1/deliveries/1/redeliver"))
    assert "will be sent again" in page
    assert ">pending</span>" in page
    assert "Send again" not in page
    assert state(make, Delivery)[0]["status"] == "pending"
    page = follow(developer, submit(developer, "/apps/shop/alerts/1/deliveries/1/redeliver"))
    assert "This delivery is still pending." in page


def test_deliveries_of_digests_and_deleted_problems_are_described(
    developer: FlaskClient, make: Factory, shop: dict[str, Any]
) -> None:
    add(developer, "email")
    deliver(make, shop["id"], status="delivered")

    def act() -> None:
        db.session.query(Problem).delete()
        db.session.add(Delivery(channel_id=1, event="digest", problem_ids=list(range(37)), status="delivered"))

    make.run(act)
    page = developer.get("/apps/shop/alerts/1/deliveries").text
    assert "Deleted problem" in page
    assert "37 problems" in page
    assert 'href="/problems/1"' not in page


def test_deliveries_have_pages(developer: FlaskClient, make: Factory, shop: dict[str, Any]) -> None:
    add(developer, "email")
    deliver(make, shop["id"], count=51, status="delivered")
    first = developer.get("/apps/shop/alerts/1/deliveries").text
    assert (first.count("PaymentError"), "of 51</span>" in first) == (50, True)
    assert developer.get("/apps/shop/alerts/1/deliveries?page=2").text.count("PaymentError") == 1
    assert developer.get("/apps/shop/alerts/1/deliveries?page=99999999").status_code == 200


def test_the_events_of_the_app_are_chosen_on_its_own_small_form(developer: FlaskClient, make: Factory) -> None:
    page = developer.get("/apps/shop/alerts").text
    assert len(re.findall(r'<input checked [^>]*name="notify_on_\w+"', page)) == 2
    page = follow(developer, submit(developer, "/apps/shop/alerts/events", {"notify_on_reoccurrence": "y"}))
    assert "Events saved." in page
    assert re.findall(r'<input checked [^>]*name="(notify_on_\w+)"', page) == ["notify_on_reoccurrence"]
    shop = state(make, App)[0]
    assert (shop["notify_on_new_problem"], shop["notify_on_reoccurrence"]) == (False, True)


PAGES = ("", "/new", "/new?kind=slack", "/1", "/1/deliveries")
ACTIONS = ("/new?kind=email", "/events", "/1", "/1/enabled", "/1/test", "/1/rotate-secret", "/1/delete")


def test_viewers_get_a_403_and_users_of_other_teams_a_404(
    developer: FlaskClient, signed_in: SignedIn, make: Factory
) -> None:
    add(developer, "email")
    before = state(make)
    viewer = signed_in("viewer@example.com")
    assert "/alerts" not in viewer.get("/apps/shop").text
    for path in PAGES:
        assert viewer.get(f"/apps/shop/alerts{path}").status_code == 403
        assert developer.get(f"/apps/other/alerts{path}").status_code == 404
    for path in ACTIONS:
        assert submit(viewer, f"/apps/shop/alerts{path}", FILTERS | {"name": "x"}).status_code == 403
        assert submit(developer, f"/apps/other/alerts{path}", FILTERS | {"name": "x"}).status_code == 404
    assert state(make) == before


def test_a_channel_is_found_only_below_its_own_app(signed_in: SignedIn, developer: FlaskClient, make: Factory) -> None:
    add(developer, "email")
    make.run(lambda: setattr(db.session.get_one(User, 1), "site_admin", True))
    admin = signed_in("ada@example.com")
    assert admin.get("/apps/shop/alerts/1").status_code == 200
    assert admin.get("/apps/other/alerts/1").status_code == 404
    make.run(lambda: Channel.create(db.session.get_one(App, 2), kind="email", name="Mail").id)
    make.run(lambda: db.session.add(Delivery(channel_id=2, event="new_problem", status="failed")))
    assert submit(admin, "/apps/shop/alerts/1/deliveries/1/redeliver").status_code == 404


def test_users_choose_for_each_app_of_their_teams_which_mail_they_get(
    developer: FlaskClient, make: Factory, mail_server: MailServer
) -> None:
    page = developer.get("/account/notifications").text
    assert ">Shop</label>" in page
    assert ">Other</label>" not in page
    page = follow(developer, submit(developer, "/account/notifications", {"app-1": "new", "app-2": "none"}))
    assert re.search(r'name="app-1">\s*<option value="all" >[^<]*</option><option value="new" selected>', page)
    rows = make.run(lambda: [(row.user_id, row.app_id, row.level) for row in db.session.query(NotificationPreference)])
    assert [row[1:] for row in rows] == [(1, "new")]
    submit(developer, "/account/notifications", {"app-1": "whatever"})
    submit(developer, "/account/notifications", {"app-1": "none"})
    add(developer, "email")
    submit(developer, "/apps/shop/alerts/1/test")
    assert {recipient for recipient, _ in mail_server.mails} == {"owner@example.com", "viewer@example.com"}


def test_a_user_without_a_team_has_nothing_to_choose(signed_in: SignedIn) -> None:
    page = signed_in("ada@example.com").get("/account/notifications").text
    assert "Nothing to choose yet" in page


@pytest.fixture
def unsubscribe(app: Flask, make: Factory, shop: dict[str, Any]) -> str:
    """Provide the path of the viewer's link in mail about Shop."""

    def link() -> str:
        channel = Channel.create(db.session.get_one(App, shop["id"]), kind="email", name="Mail")
        return unsubscribe_url(app, channel, "viewer@example.com")

    return make.run(link).removeprefix("https://errors.example.com")


def levels(make: Factory) -> list[str]:
    """Return the levels of all preferences."""
    return make.run(lambda: [row.level for row in db.session.query(NotificationPreference)])


def test_the_link_in_a_mail_stops_it_without_signing_in(client: FlaskClient, make: Factory, unsubscribe: str) -> None:
    page = client.get(unsubscribe).text
    assert "Stop all email to viewer@example.com about problems in Shop?" in page
    assert levels(make) == []  # mail scanners follow links
    answer = client.post(unsubscribe)
    assert answer.status_code == 200
    assert "viewer@example.com no longer gets email about problems in Shop." in answer.text
    assert 'href="/account/notifications"' in answer.text
    assert levels(make) == ["none"]
    assert "no longer gets email" in client.get(unsubscribe).text


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_mail_programs_unsubscribe_with_one_click(
    content_type: str, client: FlaskClient, make: Factory, unsubscribe: str
) -> None:
    answer = client.post(unsubscribe, data={"List-Unsubscribe": "One-Click"}, content_type=content_type)
    assert answer.status_code == 200
    assert levels(make) == ["none"]


def test_one_click_needs_no_csrf_token_even_with_a_session(
    signed_in: SignedIn, make: Factory, unsubscribe: str
) -> None:
    assert signed_in("viewer@example.com").post(unsubscribe).status_code == 200
    assert levels(make) == ["none"]


def test_a_link_that_is_not_valid_says_what_to_do(client: FlaskClient, make: Factory, unsubscribe: str) -> None:
    for path in (unsubscribe[:-3], "/unsubscribe/x", f"{unsubscribe}x"):
        for answer in (client.get(path), client.post(path)):
            assert answer.status_code == 404
            assert "sign in and choose which email you get on your account page" in answer.text
    make.run(lambda: db.session.query(App).filter_by(name="Shop").delete())
    assert client.post(unsubscribe).status_code == 404
    assert levels(make) == []


def test_the_form_of_a_kind_is_built_once(app: Flask) -> None:
    with app.test_request_context():
        assert type(new_form(KINDS["slack"])) is type(new_form(KINDS["slack"]))


@pytest.mark.browser
@pytest.mark.slow
def test_a_webhook_is_added_and_tested_on_a_phone_without_javascript(
    new_browser: "Callable[..., BrowserContext]", shop: dict[str, Any], receiver: Receiver
) -> None:
    page = new_browser(java_script_enabled=False, viewport={"width": 390, "height": 844}).new_page()
    browser_sign_in(page, "developer@example.com")
    page.goto("/apps/shop")
    page.get_by_role("link", name="Alerts").click()
    page.get_by_role("link", name="Add a channel").click()
    page.get_by_role("link", name="Webhook").click()
    page.get_by_label("Name").fill("Incidents")
    page.get_by_label("URL").fill(receiver.url)
    page.get_by_role("button", name="Add channel").click()
    secret = page.locator("#signing-secret").inner_text()
    page.get_by_role("link", name="Done").click()
    page.get_by_role("button", name="Send a test message through Incidents").click()
    page.get_by_text("The test message through 'Incidents' was delivered.").wait_for()
    headers = {name.lower(): value for name, value in receiver.requests[0].headers.items()}
    Webhook(secret).verify(receiver.requests[0].body, headers)
    page.get_by_role("link", name="Edit Incidents").click()
    page.get_by_text("Delete", exact=True).click()
    page.get_by_role("button", name="Delete channel").click()
    page.get_by_text("Nobody is notified yet").wait_for()
