"""A small world with one person of each kind, for tests of who may do what."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from checkend.db.session import db
from checkend.models import ApiKey, App, Channel, Delivery, Invitation, Notice, Problem, Team, User, UserSession
from checkend.models.team import ROLES
from checkend.notifications.encryption import SecretBox
from checkend.notifications.unsubscribe import unsubscribe_url
from tests.support.factories import Factory
from tests.support.pages import submit

KINDS = (*ROLES, "site admin", "outsider")


@dataclass
class World:
    """Team ``core`` with a user of each kind, and its app ``shop``.

    The app has a tagged problem with a notice, and a webhook with a failed delivery.

    ``sunday`` is one more member, a viewer. The app ``other`` and the team ``others`` belong to strangers.
    """

    app: Flask
    ids: dict[str, Any] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    _browsers: dict[str, FlaskClient] = field(default_factory=dict)

    def client(self, kind: str) -> FlaskClient:
        """Return a new browser in which the person of this kind is signed in."""
        return self._open(self.start_session(kind))

    def browser(self, kind: str) -> FlaskClient:
        """Return the browser of the person of this kind, always the same one."""
        if kind not in self._browsers:
            self._browsers[kind] = self._open(self.tokens.get(kind) or self.start_session(kind))
        return self._browsers[kind]

    def start_session(self, kind: str) -> str:
        """Start a session of the person of this kind, and return its token."""
        user_id = self.people[kind]
        return Factory(self.app).run(
            lambda: UserSession.start(db.session.get_one(User, user_id), user_agent="", address="")[1]
        )

    def _open(self, token: str) -> FlaskClient:
        client = self.app.test_client()
        with client.session_transaction() as session:
            session["_user_id"] = token
            session["_fresh"] = True
        return client

    def post(self, kind: str, address: str, fields: dict[str, Any] | None = None) -> int:
        """Return the status that the person gets for sending this form."""
        return submit(self.browser(kind), address, fields).status_code


def build(app: Flask) -> World:
    """Create the world in the empty database of ``app``."""
    make, world = Factory(app), World(app)
    for kind in (*KINDS, "sunday", "stranger"):
        name = kind.replace(" ", "-")
        world.people[kind] = make.user(f"{name}@example.com", site_admin=kind == "site admin")
    make.run(lambda: _fill(world))
    make.notice(world.ids["problem_id"])
    world.ids["notice_id"] = make.run(lambda: db.session.query(Notice.id).order_by(Notice.id.desc()).limit(1).scalar())
    return world


def _fill(world: World) -> None:
    def person(kind: str) -> User:
        return db.session.get_one(User, world.people[kind])

    team = Team.create("core", person("owner"))
    for kind in ("admin", "developer", "member", "viewer"):
        team.add_member(person(kind), kind)  # type: ignore[arg-type]  # all of them are roles
    sunday = team.add_member(person("sunday"), "viewer")
    shop = App.create("shop")
    team.assign(shop)
    Team.create("others", person("stranger")).assign(App.create("other"))
    problem = _problem(shop)
    tag = problem.add_tag("seen")
    invitation, token = Invitation.create(team, "guest@example.com", "member", person("owner"))
    db.session.flush()
    world.ids |= {"problem_id": problem.id, "tag_id": tag.id, "member_id": sunday.id}
    channel, delivery = _channel(world, shop, problem)
    world.ids |= {"channel_id": channel.id, "delivery_id": delivery.id}
    world.ids["unsubscribe"] = unsubscribe_url(world.app, channel, "viewer@example.com")
    key, _ = ApiKey.create("k", ["apps:read"])
    world.ids |= {"invitation_id": invitation.id, "token": token, "key_id": key.id}


def _channel(world: World, shop: App, problem: Problem) -> tuple[Channel, Delivery]:
    secrets = SecretBox(Path(world.app.instance_path)).seal({"signing_secrets": [f"whsec_{'a' * 44}"]})
    config = {"url": "http://127.0.0.1:1/hook"}
    channel = Channel.create(shop, kind="webhook", name="Hook", config=config, secrets=secrets, failures=5)
    delivery = Delivery(
        channel_id=channel.id,
        event="new_problem",
        problem_ids=[problem.id],
        status="failed",
        attempts=1,
        last_error="The receiver responded 400.",
    )
    db.session.add(delivery)
    db.session.flush()
    return channel, delivery


def _problem(app: App) -> Problem:
    from checkend import clock

    problem = Problem(
        app_id=app.id,
        error_class="RuntimeError",
        first_message="it broke",
        search_text="runtimeerror\nit broke",
        fingerprint="f",
        grouping_version=1,
        first_noticed_at=clock.now(),
        last_noticed_at=clock.now(),
    )
    app.problems_count += 1
    app.unresolved_problems_count += 1
    db.session.add(problem)
    db.session.flush()
    return problem
