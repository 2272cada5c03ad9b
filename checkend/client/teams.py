"""Methods of the client for teams, their members and users."""
# mypy: disable-error-code="no-any-return"
# A JSON value is Any. That it has the type that a method declares is guaranteed by the API, and verified by the tests.

from typing import Any, Literal, Unpack

from checkend.client.caller import Caller, Id
from checkend.client.queries import TeamUpdate, UserUpdate
from checkend.client.types import App, Invitation, Member, NotificationPreference, PasswordLink, Team, User


class TeamMethods(Caller):
    """Teams, their members and users."""

    def teams(self) -> list[Team]:
        """Return all teams, newest first."""
        return self.call("GET", "/teams")

    def team(self, team: Id) -> Team:
        """Return a team."""
        return self.call("GET", f"/teams/{team}")

    def create_team(self, name: str, owner_id: Id) -> Team:
        """Create a team."""
        return self.call("POST", "/teams", {"name": name, "owner_id": owner_id})

    def update_team(self, team: Id, **fields: Unpack[TeamUpdate]) -> Team:
        """Change a team's name or owner."""
        return self.call("PATCH", f"/teams/{team}", fields)

    def delete_team(self, team: Id) -> None:
        """Delete a team."""
        self.call("DELETE", f"/teams/{team}")

    def team_apps(self, team: Id) -> list[App]:
        """Return the apps of a team, by name."""
        return self.call("GET", f"/teams/{team}/apps")

    def assign_app(self, team: Id, app: Id) -> None:
        """Assign an app to a team."""
        self.call("POST", f"/teams/{team}/apps", {"app_id": app})

    def unassign_app(self, team: Id, app: Id) -> None:
        """Unassign an app from a team."""
        self.call("DELETE", f"/teams/{team}/apps/{app}")

    def members(self, team: Id) -> list[Member]:
        """Return the members of a team, highest role first."""
        return self.call("GET", f"/teams/{team}/members")

    def add_member(self, team: Id, role: str = "member", **user: Any) -> Member:
        """Add a user, identified by ``user_id`` or ``email_address``, to a team."""
        return self.call("POST", f"/teams/{team}/members", {"role": role, **user})

    def set_role(self, team: Id, member: int, role: str) -> Member:
        """Change a member's role."""
        return self.call("PATCH", f"/teams/{team}/members/{member}", {"role": role})

    def remove_member(self, team: Id, member: int) -> None:
        """Remove a member from a team."""
        self.call("DELETE", f"/teams/{team}/members/{member}")

    def invitations(self, team: Id) -> list[Invitation]:
        """Return the open invitations to a team, newest first."""
        return self.call("GET", f"/teams/{team}/invitations")

    def invitation(self, team: Id, invitation: int) -> Invitation:
        """Return an open invitation."""
        return self.call("GET", f"/teams/{team}/invitations/{invitation}")

    def invite(self, team: Id, email_address: str, role: str = "member") -> Invitation:
        """Invite someone to a team; the result contains the ``url`` with which they join."""
        return self.call("POST", f"/teams/{team}/invitations", {"email_address": email_address, "role": role})

    def resend_invitation(self, team: Id, invitation: int) -> Invitation:
        """Mail an invitation again."""
        return self.call("POST", f"/teams/{team}/invitations/{invitation}/resend")

    def revoke_invitation(self, team: Id, invitation: int) -> None:
        """Revoke an invitation, so that its link stops working."""
        self.call("DELETE", f"/teams/{team}/invitations/{invitation}")

    def users(self) -> list[User]:
        """Return all users, newest first."""
        return self.call("GET", "/users")

    def user(self, user: Id) -> User:
        """Return a user."""
        return self.call("GET", f"/users/{user}")

    def create_user(self, email_address: str, password: str) -> User:
        """Create a user."""
        return self.call("POST", "/users", {"email_address": email_address, "password": password})

    def update_user(self, user: Id, **fields: Unpack[UserUpdate]) -> User:
        """Change a user's email address or password."""
        return self.call("PATCH", f"/users/{user}", fields)

    def create_password_link(self, user: Id) -> PasswordLink:
        """Create a link with which a user, who must not be a site admin, chooses a new password."""
        return self.call("POST", f"/users/{user}/password_link")

    def notification_preferences(self, user: Id) -> list[NotificationPreference]:
        """Return which email a user gets about each app of their teams, by the name of the app."""
        return self.call("GET", f"/users/{user}/notification_preferences")

    def notification_preference(self, user: Id, app: Id) -> NotificationPreference:
        """Return which email a user gets about an app."""
        return self.call("GET", f"/users/{user}/notification_preferences/{app}")

    def set_notification_preference(
        self, user: Id, app: Id, level: Literal["all", "new", "none"]
    ) -> NotificationPreference:
        """Choose which email a user gets about an app."""
        return self.call("PATCH", f"/users/{user}/notification_preferences/{app}", {"level": level})

    def delete_user(self, user: Id) -> None:
        """Delete a user."""
        self.call("DELETE", f"/users/{user}")
