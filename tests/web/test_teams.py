"""Teams in the dashboard: members, roles, apps, transfer. For permissions see test_roles.py."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.db.session import db
from checkend.models import App, Team, User
from checkend.models.team import Role
from tests.support.factories import Factory
from tests.support.pages import sign_in, submit


@pytest.fixture(autouse=True)
def ada(make: Factory) -> int:
    """Provide the id of a site admin who owns the team core."""
    return make.user("ada@example.com", site_admin=True)


@pytest.fixture
def admin(client: FlaskClient, make: Factory, ada: int) -> FlaskClient:
    """Provide a browser in which that user is signed in."""
    make.team("Core", ada)
    sign_in(client, "ada@example.com")
    return client


def _join(make: Factory, address: str, role: Role) -> int:
    """Add a new user to the team core; return the id of the membership."""
    user = make.user(address)
    return make.run(lambda: db.session.query(Team).one().add_member(db.session.get_one(User, user), role).id)


def _members(make: Factory) -> dict[str, str]:
    def read() -> dict[str, str]:
        return {member.user.email_address: member.role for member in db.session.query(Team).one().ranked_members()}

    return make.run(read)


def _page_after(client: FlaskClient, address: str, fields: dict[str, Any] | None = None) -> str:
    """Submit a form; return the page that it redirects to."""
    return client.get(submit(client, address, fields).location).get_data(as_text=True)


def test_a_team_is_created_and_renamed_and_keeps_its_url(admin: FlaskClient) -> None:
    assert submit(admin, "/teams", {"name": "Web people"}).location == "/teams/web-people"
    assert submit(admin, "/teams/web-people", {"name": "Others"}).location == "/teams/web-people"
    assert "<h1>Others</h1>" in admin.get("/teams/web-people").get_data(as_text=True)


@pytest.mark.parametrize("address", ["/teams", "/teams/core"])
def test_a_team_needs_a_name(admin: FlaskClient, make: Factory, address: str) -> None:
    answer = submit(admin, address, {"name": " "})
    assert answer.status_code == 422
    assert "Name can&#39;t be blank." in answer.get_data(as_text=True)
    assert make.run(lambda: [team.name for team in Team.newest_first()]) == ["Core"]


def test_members_get_other_roles_and_leave(admin: FlaskClient, make: Factory, app: Flask) -> None:
    member = _join(make, "bob@example.com", "viewer")
    assert "Changed the role of bob@example.com." in _page_after(
        admin, f"/teams/core/members/{member}", {"role": "developer"}
    )
    assert _members(make)["bob@example.com"] == "developer"
    assert "You cannot grant this role." in _page_after(admin, f"/teams/core/members/{member}", {"role": "king"})
    bob = app.test_client()
    sign_in(bob, "bob@example.com")
    assert bob.get("/teams/core").status_code == 200
    assert "You have left the team Core." in _page_after(bob, "/teams/core/leave")
    assert bob.get("/teams/core").status_code == 404


def test_the_last_admin_stays(admin: FlaskClient, make: Factory) -> None:
    assert "last admin" in _page_after(admin, "/teams/core/members/1", {"role": "viewer"})
    assert "last admin" in _page_after(admin, "/teams/core/members/1/remove")
    assert "Transfer it to another member first" in _page_after(admin, "/teams/core/leave")
    assert _members(make) == {"ada@example.com": "admin"}


def test_an_existing_user_is_added_by_email_address(admin: FlaskClient, make: Factory) -> None:
    make.user("bob@example.com")
    fields = {"email_address": "Bob@Example.com", "role": "member"}
    assert "Added bob@example.com to the team." in _page_after(admin, "/teams/core/members", fields)
    assert "already a member" in _page_after(admin, "/teams/core/members", fields)
    unknown = fields | {"email_address": "eve@example.com"}
    assert "Send an invitation instead" in _page_after(admin, "/teams/core/members", unknown)
    assert _members(make) == {"ada@example.com": "admin", "bob@example.com": "member"}


def test_a_team_is_transferred_to_a_member_who_becomes_an_admin(admin: FlaskClient, make: Factory) -> None:
    member = _join(make, "bob@example.com", "viewer")
    assert "bob@example.com is now the owner of the team." in _page_after(
        admin, "/teams/core/owner", {"member": member}
    )
    assert _members(make)["bob@example.com"] == "admin"
    assert make.run(lambda: db.session.query(Team).one().owner.email_address) == "bob@example.com"
    for wrong in ("999", "x", ""):
        assert submit(admin, "/teams/core/owner", {"member": wrong}).status_code == 404


def test_apps_are_assigned_and_removed_and_not_deleted(admin: FlaskClient, make: Factory) -> None:
    make.app("Shop")
    assert "Assigned app &#39;Shop&#39; to the team." in _page_after(admin, "/teams/core/apps", {"app": "shop"})
    assert submit(admin, "/teams/core/apps", {"app": "nope"}).status_code == 404
    assert "Removed app &#39;Shop&#39; from the team." in _page_after(admin, "/teams/core/apps/shop/remove")
    assert submit(admin, "/teams/core/apps/shop/remove").status_code == 404
    assert make.run(lambda: [app.name for app in App.newest_first()]) == ["Shop"]


def test_a_team_is_deleted_if_its_name_is_confirmed_and_its_apps_are_kept(admin: FlaskClient, make: Factory) -> None:
    make.app("Shop")
    submit(admin, "/teams/core/apps", {"app": "shop"})
    assert "the name you entered does not match" in _page_after(admin, "/teams/core/delete", {"confirm": "core"})
    assert "Deleted team &#39;Core&#39;." in _page_after(admin, "/teams/core/delete", {"confirm": "Core"})
    assert admin.get("/teams/core").status_code == 404
    assert admin.get("/apps/shop").status_code == 200


def test_members_of_another_team_are_not_found(admin: FlaskClient, make: Factory, app: Flask) -> None:
    _join(make, "bob@example.com", "admin")
    make.team("Far", make.user("far@example.com"))
    bob = app.test_client()
    sign_in(bob, "bob@example.com")
    far = make.run(lambda: db.session.query(Team).filter_by(slug="far").one().members[0].id)
    assert submit(bob, f"/teams/core/members/{far}/remove").status_code == 404
    assert submit(bob, f"/teams/far/members/{far}/remove").status_code == 404


def test_users_without_a_team_are_told_what_to_do(app: Flask, make: Factory) -> None:
    make.user("eve@example.com")
    eve = app.test_client()
    sign_in(eve, "eve@example.com")
    assert "You are not a member of a team" in eve.get("/teams").get_data(as_text=True)
    assert "You can see the apps of your teams" in eve.get("/apps").get_data(as_text=True)
