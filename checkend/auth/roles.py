"""Roles of users in the dashboard, and what each may do.

All authorization of users is decided here. docs/permissions.md shows `ROLE_CAPABILITIES`; a test compares them.

Site admins may do everything. Other users see the apps of their teams, and may do what their role allows: the highest
of the roles that they have in the teams of the app.
"""

from flask import abort, g
from sqlalchemy import select

from checkend.auth.permissions import DescribedEnum
from checkend.db.session import db
from checkend.models import App, Team, TeamApp, TeamMember, User
from checkend.models.scope import AppScope, TeamScope
from checkend.models.team import ROLES, Role


class Capability(DescribedEnum):
    """An action that a user may be allowed to take, with its description."""

    # on an app
    SEE_APP = "see_app", "See the app, its problems and notices"
    RESOLVE = "resolve", "Resolve, reopen, mute and unmute problems"
    TAG = "tag", "Add tags to problems and remove them"
    EDIT_APP = "edit_app", "Change the app's settings and alerts, see its ingestion key, send a test error"
    DELETE_PROBLEMS = "delete_problems", "Delete problems"
    REGENERATE_KEY = "regenerate_key", "Regenerate the ingestion key"
    DELETE_APP = "delete_app", "Delete the app"
    # on a team
    SEE_TEAM = "see_team", "See the team, its members and apps"
    CREATE_APP = "create_app", "Create apps for the team"
    EDIT_TEAM = "edit_team", "Rename the team"
    MANAGE_MEMBERS = "manage_members", "Change the roles of members and remove them (up to the user's own role)"
    ASSIGN_APPS = "assign_apps", "Assign apps of which the user is an admin to the team, and unassign apps"
    INVITE = "invite", "Create and revoke invitations (up to the user's own role)"
    TRANSFER_TEAM = "transfer_team", "Transfer the team to another member"
    DELETE_TEAM = "delete_team", "Delete the team"
    # on the server
    CREATE_TEAM = "create_team", "Create teams"
    MANAGE_API_KEYS = "manage_api_keys", "Create, revoke and delete API keys"
    MANAGE_USERS = "manage_users", "Create and delete users, grant site admin, create password reset links"
    MANAGE_MAIL = "manage_mail", "Change the mail settings and send test mail"
    READ_AUDIT_LOG = "read_audit_log", "Read and export the audit log"


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
_OWNER = _ADMIN | {Capability.TRANSFER_TEAM, Capability.DELETE_TEAM}

ROLE_CAPABILITIES: dict[Role, frozenset[Capability]] = {
    "owner": frozenset(_OWNER),
    "admin": frozenset(_ADMIN),
    "developer": frozenset(_DEVELOPER),
    "member": frozenset(_MEMBER),
    "viewer": frozenset(_VIEWER),
}
Subject = App | Team | None


def can(user: User, capability: Capability, subject: Subject = None) -> bool:
    """Return whether ``user`` has ``capability`` on an app or a team; without a subject, on the server."""
    if user.site_admin:
        return True
    role = role_on(user, subject)
    return role is not None and capability in ROLE_CAPABILITIES[role]


def require(user: User, capability: Capability, subject: Subject = None) -> None:
    """Abort with 404 if ``user`` may not even see the subject, with 403 if the user only lacks ``capability``."""
    if can(user, capability, subject):
        return
    abort(404 if subject is not None and role_on(user, subject) is None else 403)


def role_on(user: User, subject: Subject) -> Role | None:
    """Return the role of ``user`` in a team, or the highest in the teams of an app; None without any."""
    if subject is None:
        return None
    return (_app_roles if isinstance(subject, App) else _team_roles)(user).get(subject.id)


def visible_apps(user: User) -> AppScope:
    """Return the apps that ``user`` may see."""
    return apps_with(user, Capability.SEE_APP)


def apps_with(user: User, capability: Capability) -> AppScope:
    """Return the apps on which ``user`` has ``capability``."""
    if user.site_admin:
        return AppScope.all()
    return AppScope.of(app_id for app_id, role in _app_roles(user).items() if capability in ROLE_CAPABILITIES[role])


def visible_teams(user: User) -> TeamScope:
    """Return the teams that ``user`` may see."""
    return teams_with(user, Capability.SEE_TEAM)


def teams_with(user: User, capability: Capability) -> TeamScope:
    """Return the teams on which ``user`` has ``capability``."""
    if user.site_admin:
        return TeamScope.all()
    return TeamScope.of(team_id for team_id, role in _team_roles(user).items() if capability in ROLE_CAPABILITIES[role])


def grantable_roles(user: User, team: Team) -> tuple[Role, ...]:
    """Return the roles that ``user`` may give to others in ``team``: none above their own."""
    own_role = "owner" if user.site_admin else role_on(user, team)
    return ROLES[ROLES.index(own_role) :] if own_role is not None else ()


def _team_roles(user: User) -> dict[int, Role]:
    """Return the roles of ``user`` by team id, read once per request. A team's owner has the role owner in it."""
    cache: dict[int, dict[int, Role]] = g.setdefault("team_roles", {})
    if user.id not in cache:
        memberships = select(TeamMember.team_id, TeamMember.role).where(TeamMember.user_id == user.id)
        roles: dict[int, Role] = {team_id: role for team_id, role in db.session.execute(memberships)}
        owned = db.session.scalars(select(Team.id).where(Team.owner_id == user.id))
        cache[user.id] = roles | dict.fromkeys(owned, "owner")
    return cache[user.id]


def _app_roles(user: User) -> dict[int, Role]:
    cache: dict[int, dict[int, Role]] = g.setdefault("app_roles", {})
    if user.id not in cache:
        team_roles = _team_roles(user)
        assigned = db.session.execute(select(TeamApp.app_id, TeamApp.team_id).where(TeamApp.team_id.in_(team_roles)))
        roles: dict[int, Role] = {}
        for app_id, team_id in assigned:
            roles[app_id] = min(roles.get(app_id, "viewer"), team_roles[team_id], key=ROLES.index)
        cache[user.id] = roles
    return cache[user.id]
