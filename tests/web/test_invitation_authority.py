"""Invitations end when their sender may no longer invite, so that a removed user cannot use one to return."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner
from flask import Flask, g
from flask.testing import FlaskClient

from checkend.auth.roles import Capability, can, grantable_roles
from checkend.cli import main
from checkend.db.session import db
from checkend.models import Invitation, Team, TeamMember, User
from checkend.models.team import ROLES, Role
from tests.support.api import Api
from tests.support.factories import Factory
from tests.support.pages import sign_in, submit

OWNER, BOB = "owner@example.com", "bob@example.com"


@pytest.fixture(autouse=True)
def team(make: Factory) -> int:
    """Provide the id of the team Core with its owner, bob (an admin) and carol (another admin), whose id is 3."""
    make.user("root@example.com", site_admin=True)
    team_id = make.team("Core", make.user(OWNER))
    make.join(team_id, make.user("carol@example.com"), "admin")
    make.join(team_id, make.user(BOB), "admin")
    return team_id


def _user(email: str) -> User:
    user = User.with_email_address(email)
    assert user is not None
    return user


def _invite(make: Factory, inviter: str = BOB, role: Role = "admin") -> str:
    """Return the path of a new invitation's link."""
    token = make.run(lambda: Invitation.create(Team.newest_first()[0], "guest@example.com", role, _user(inviter))[1])
    return f"/invitations/{token}"


def _member_id(make: Factory, email: str = BOB) -> int:
    return make.run(lambda: db.session.query(TeamMember.id).filter_by(user_id=_user(email).id).scalar())


def _as(app: Flask, email: str) -> FlaskClient:
    client = app.test_client()
    sign_in(client, email)
    return client


Change = Callable[[Flask, Factory, Api], object]


def _remove_in_dashboard(app: Flask, make: Factory, api: Api) -> object:
    return submit(_as(app, OWNER), f"/teams/core/members/{_member_id(make)}/remove")


def _demote_in_dashboard(app: Flask, make: Factory, api: Api) -> object:
    return submit(_as(app, OWNER), f"/teams/core/members/{_member_id(make)}", {"role": "developer"})


def _leave(app: Flask, make: Factory, api: Api) -> object:
    return submit(_as(app, BOB), "/teams/core/leave")


def _remove_with_api(app: Flask, make: Factory, api: Api) -> object:
    return api.delete(f"/teams/core/members/{_member_id(make)}")


def _demote_with_api(app: Flask, make: Factory, api: Api) -> object:
    return api.patch(f"/teams/core/members/{_member_id(make)}", {"role": "viewer"})


def _delete_with_api(app: Flask, make: Factory, api: Api) -> object:
    return api.delete("/users/bob")


def _delete_in_dashboard(app: Flask, make: Factory, api: Api) -> object:
    return submit(_as(app, "root@example.com"), "/users/bob/delete")


def _delete_on_the_command_line(app: Flask, make: Factory, api: Api) -> object:
    done = CliRunner().invoke(main, ["user", "delete", BOB, "--yes"], env={"CHECKEND_INSTANCE_PATH": app.instance_path})
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture
def api(client: FlaskClient, key_for: Callable[..., dict[str, str]]) -> Api:
    return Api(client, key_for())


@pytest.mark.parametrize(
    "change",
    [
        _remove_in_dashboard,
        _demote_in_dashboard,
        _leave,
        _remove_with_api,
        _demote_with_api,
        _delete_with_api,
        _delete_in_dashboard,
        _delete_on_the_command_line,
    ],
)
def test_an_admin_who_is_removed_or_demoted_cannot_return_through_an_own_invitation(
    app: Flask, make: Factory, api: Api, change: Change
) -> None:
    theirs, others = _invite(make), _invite(make, OWNER)
    change(app, make, api)
    guest = app.test_client()
    assert guest.get(theirs).status_code == 404
    assert submit(guest, theirs, {"password": "guest password"}, page="/sign-in").status_code == 404
    assert make.run(lambda: [one.revoked_at is None for one in db.session.query(Invitation)]) == [False, True]
    assert guest.get(others).status_code == 200


def test_after_a_transfer_the_previous_owner_keeps_only_what_an_admin_may_send(
    app: Flask, make: Factory, api: Api
) -> None:
    as_owner, as_admin = _invite(make, OWNER, "owner"), _invite(make, OWNER, "admin")
    assert api.patch("/teams/core", {"owner_id": "bob"}).status_code == 200
    assert [app.test_client().get(link).status_code for link in (as_owner, as_admin)] == [404, 200]


def test_losing_site_admin_revokes_the_invitations_that_required_it(app: Flask, make: Factory) -> None:
    make.user("second@example.com", site_admin=True)
    link = _invite(make, "second@example.com", "viewer")
    submit(_as(app, "root@example.com"), "/users/second/site-admin", {"grant": "no"})
    assert app.test_client().get(link).status_code == 404


def test_acceptance_checks_again_that_the_inviter_may_invite(app: Flask, make: Factory) -> None:
    link, guest = _invite(make), app.test_client()
    make.run(lambda: db.session.query(TeamMember).filter_by(user_id=_user(BOB).id).update({"role": "member"}))
    assert guest.get(link).status_code == 404
    assert submit(guest, link, {"password": "guest password"}, page="/sign-in").status_code == 404
    assert make.run(lambda: User.with_email_address("guest@example.com")) is None


def test_the_models_and_the_dashboard_agree_on_who_may_invite(make: Factory) -> None:
    def check() -> None:
        team, member = Team.newest_first()[0], _user("carol@example.com")
        for role in ROLES:
            db.session.query(TeamMember).filter_by(user_id=member.id).update({"role": role})
            db.session.expire_all()
            g.pop("team_roles", None)
            g.pop("app_roles", None)
            for user in (member, _user(OWNER), _user("root@example.com")):
                allowed = grantable_roles(user, team) if can(user, Capability.INVITE, team) else ()
                assert {given for given in ROLES if team.may_invite(user, given)} == set(allowed), (user.label, role)

    make.run(check)
