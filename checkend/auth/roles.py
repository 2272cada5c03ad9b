"""Who may do what in the dashboard: the one place that decides. docs/permissions.md shows `ROLE_CAPABILITIES`, checked
by a test.

Site admins may do everything. Others see the apps of their teams, and do with them what their role allows: the
highest of the roles they have in the teams of the app.
"""

from enum import StrEnum

from flask import abort, g
from sqlalchemy import select

from checkend.db.session import db
from checkend.models import App, Team, TeamApp, TeamMember, User
from checkend.models.team import ROLES, Role


class Capability(StrEnum):
    """Something that one may be allowed to do, with what that means."""

    help: str

    def __new__(cls, value: str, help: str = "") -> "Capability":
        member = str.__new__(cls, value)
        member._value_ = value
        member.help = help
        return member

    # on an app
    SEE_APP = "see_app", "See the app, its problems and notices"
    RESOLVE = "resolve", "Resolve and reopen problems"
    TAG = "tag", "Add tags to problems and remove them"
    EDIT_APP = "edit_app", "Change the app's settings, see its ingestion key, send a test error"
    DELETE_PROBLEMS = "delete_problems", "Delete problems"
    REGENERATE_KEY = "regenerate_key", "Regenerate the ingestion key"
    DELETE_APP = "delete_app", "Delete the app"
    # on a team
    SEE_TEAM = "see_team", "See the team, its members and apps"
    CREATE_APP = "create_app", "Create apps for the team"
    EDIT_TEAM = "edit_team", "Rename the team"
    MANAGE_MEMBERS = "manage_members", "Change the roles of members and remove them (up to one's own role)"
    ASSIGN_APPS = "assign_apps", "Assign apps to the team (which one administers) and take them away"
    INVITE = "invite", "Make and revoke invitations (up to one's own role)"
    HAND_OVER_TEAM = "hand_over_team", "Hand the team over to another member"
    DELETE_TEAM = "delete_team", "Delete the team"
    # on the server
    CREATE_TEAM = "create_team", "Create teams"
    MANAGE_API_KEYS = "manage_api_keys", "Create, revoke and delete API keys"
    MANAGE_USERS = "manage_users", "Create and delete users, grant site admin, make password links"


_VIEWER = {Capability.SEE_APP, Capability.SEE_TEAM}
_MEMBER = _VIEWER | {Capability.RESOLVE, Capability.TAG}
_DEVELOPER = _MEMBER | {Capability.EDIT_APP, Capability.CREATE_APP, Capability.DELETE_PROBLEMS}
_ADMIN = _DEVELOPER | {
    Capability.REGENERATE_KEY,
    Capability.DELETE_APP,
    Capability.EDIT_TEAM,
    Capability.MANAGE_MEMBERS,
    Capability.ASSIGN_APPS,
    Capability.INVITE,
}
_OWNER = _ADMIN | {Capability.HAND_OVER_TEAM, Capability.DELETE_TEAM}

ROLE_CAPABILITIES: dict[Role, frozenset[Capability]] = {
    "owner": frozenset(_OWNER),
    "admin": frozenset(_ADMIN),
    "developer": frozenset(_DEVELOPER),
    "member": frozenset(_MEMBER),
    "viewer": frozenset(_VIEWER),
}
Subject = App | Team | None


def can(user: User, ability: Capability, subject: Subject = None) -> bool:
    """Whether ``user`` has ``ability`` on an app or a team; without a subject, on the server."""
    if user.site_admin:
        return True
    role = role_on(user, subject)
    return role is not None and ability in ROLE_CAPABILITIES[role]


def require(user: User, ability: Capability, subject: Subject = None) -> None:
    """Aborts with 404 where ``user`` may not even see the subject, with 403 where seen but not allowed."""
    if can(user, ability, subject):
        return
    abort(404 if subject is not None and role_on(user, subject) is None else 403)


def role_on(user: User, subject: Subject) -> Role | None:
    """The role of ``user`` in a team, or the highest in the teams of an app; None without any."""
    if subject is None:
        return None
    return (_app_roles if isinstance(subject, App) else _team_roles)(user).get(subject.id)


def visible_app_ids(user: User) -> list[int] | None:
    """The ids of the apps that ``user`` may see; None stands for all of them."""
    return None if user.site_admin else sorted(_app_roles(user))


def app_ids_with(user: User, ability: Capability) -> list[int] | None:
    """The ids of the apps on which ``user`` has ``ability``; None stands for all of them."""
    if user.site_admin:
        return None
    return sorted(app for app, role in _app_roles(user).items() if ability in ROLE_CAPABILITIES[role])


def visible_team_ids(user: User) -> list[int] | None:
    """The ids of the teams that ``user`` may see; None stands for all of them."""
    return None if user.site_admin else sorted(_team_roles(user))


def team_ids_with(user: User, ability: Capability) -> list[int] | None:
    """The ids of the teams on which ``user`` has ``ability``; None stands for all of them."""
    if user.site_admin:
        return None
    return sorted(team for team, role in _team_roles(user).items() if ability in ROLE_CAPABILITIES[role])


def grantable_roles(user: User, team: Team) -> tuple[Role, ...]:
    """The roles that ``user`` may give in ``team``: none above their own."""
    own = "owner" if user.site_admin else role_on(user, team)
    return ROLES[ROLES.index(own) :] if own is not None else ()


def forget_roles() -> None:
    """Forget the roles read in this request, after one of them changed."""
    g.pop("team_roles", None)
    g.pop("app_roles", None)


def _team_roles(user: User) -> dict[int, Role]:
    """Role by team id, read once a request. Who owns a team has the role owner there, whatever the members say."""
    cached: dict[int, dict[int, Role]] = g.setdefault("team_roles", {})
    if user.id not in cached:
        memberships = select(TeamMember.team_id, TeamMember.role).where(TeamMember.user_id == user.id)
        roles: dict[int, Role] = {team: role for team, role in db.session.execute(memberships)}
        owned = db.session.scalars(select(Team.id).where(Team.owner_id == user.id))
        cached[user.id] = roles | dict.fromkeys(owned, "owner")
    return cached[user.id]


def _app_roles(user: User) -> dict[int, Role]:
    cached: dict[int, dict[int, Role]] = g.setdefault("app_roles", {})
    if user.id not in cached:
        teams = _team_roles(user)
        assigned = db.session.execute(select(TeamApp.app_id, TeamApp.team_id).where(TeamApp.team_id.in_(teams)))
        best: dict[int, Role] = {}
        for app, team in assigned:
            best[app] = min(best.get(app, "viewer"), teams[team], key=ROLES.index)
        cached[user.id] = best
    return cached[user.id]
