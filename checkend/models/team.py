"""Teams: their members with a role each, and the apps assigned to them."""

from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import ForeignKey, Integer, String, UniqueConstraint, case, or_, select
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship

from checkend.db.session import Model, created_column, db, updated_column
from checkend.exceptions import DomainError
from checkend.models import audit_log
from checkend.models.app import App
from checkend.models.audit_log import Label
from checkend.models.slugs import MAX_NAME_LENGTH, unique_slug
from checkend.models.user import User

Role = Literal["owner", "admin", "developer", "member", "viewer"]
ROLES: tuple[Role, ...] = get_args(Role)
ADMIN_ROLES: tuple[Role, ...] = ("owner", "admin")


class TeamApp(Model):
    """An app assigned to a team."""

    __tablename__ = "team_apps"
    __table_args__ = ({"sqlite_with_rowid": False},)

    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True)
    app_id: Mapped[int] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"), primary_key=True, index=True)


class TeamMember(Model):
    """A user's membership in a team."""

    __tablename__ = "team_members"
    __table_args__ = (UniqueConstraint("team_id", "user_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    role: Mapped[Role] = mapped_column(String(20), default="member")
    created_at: Mapped[datetime] = created_column()
    updated_at: Mapped[datetime] = updated_column()

    team: Mapped["Team"] = relationship(back_populates="members")
    user: Mapped[User] = relationship(back_populates="memberships")

    def set_role(self, role: Role) -> None:
        """Change the role. Raise `DomainError` if the team would have no admin left."""
        if role not in ADMIN_ROLES and self.is_last_admin:
            raise DomainError("Cannot demote the last admin of the team")
        if role == self.role:
            return
        audit_log.record(
            "member.role_changed", self.user.label, team=self.team.label, role=role, previous_role=self.role
        )
        self.role = role
        self.user.revoke_unauthorized_invitations()

    def remove(self) -> None:
        """Remove the user from the team. Raise `DomainError` for its last admin."""
        if self.is_last_admin:
            raise DomainError("Cannot remove the last admin from the team")
        audit_log.record("member.removed", self.user.label, team=self.team.label)
        user = self.user
        db.session.delete(self)
        user.revoke_unauthorized_invitations()

    @property
    def is_last_admin(self) -> bool:
        return self.role in ADMIN_ROLES and not any(
            other.role in ADMIN_ROLES for other in self.team.members if other is not self
        )


class Team(Model):
    """A team and its owner, who becomes an admin member when the team is created or transferred."""

    __tablename__ = "teams"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    slug: Mapped[str] = mapped_column(String(300), unique=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    created_at: Mapped[datetime] = created_column()
    updated_at: Mapped[datetime] = updated_column()

    owner: Mapped[User] = relationship(back_populates="owned_teams")
    members: Mapped[list[TeamMember]] = relationship(back_populates="team", passive_deletes="all")
    apps: Mapped[list[App]] = relationship(secondary="team_apps", order_by=(App.name, App.id), passive_deletes=True)

    @classmethod
    def create(cls, name: str, owner: User) -> "Team":
        """Add a new team to the session, with ``owner`` as a member with the role admin."""
        team = cls(name=name, slug=unique_slug(cls, name, "team"), owner=owner)
        db.session.add_all([team, TeamMember(team=team, user=owner, role="admin")])
        db.session.flush()
        audit_log.record("team.created", team.label, owner=owner.label)
        return team

    @classmethod
    def newest_first(cls) -> list["Team"]:
        return list(db.session.scalars(select(cls).order_by(cls.created_at.desc(), cls.id.desc())))

    def transfer_to(self, owner: User) -> None:
        """Transfer the team to ``owner``, who becomes an admin member; no change if it is theirs."""
        if owner is self.owner:
            return
        previous = self.owner
        audit_log.record("team.transferred", self.label, owner=owner.label, previous_owner=previous.label)
        self.owner = owner
        member = self.member(owner)
        if member is None:
            db.session.add(TeamMember(team=self, user=owner, role="admin"))
        elif member.role not in ADMIN_ROLES:
            member.role = "admin"
        previous.revoke_unauthorized_invitations()

    def rename(self, name: str) -> None:
        """Change the name. The slug stays the same."""
        if name != self.name:
            audit_log.record("team.renamed", self.label, new_name=name)
        self.name = name

    def delete(self) -> None:
        """Delete the team with its memberships and invitations, but not its apps."""
        audit_log.record("team.deleted", self.label)
        db.session.delete(self)

    def role_of(self, user: User) -> Role | None:
        """Return the role of ``user`` in this team, which is owner for its owner; None without any."""
        if self.owner_id == user.id:
            return "owner"
        member = self.member(user)
        return member.role if member is not None else None

    def may_invite(self, user: User, role: Role) -> bool:
        """Return whether ``user`` may invite others to this team with ``role``: admins may, up to their own role."""
        own_role = "owner" if user.site_admin else self.role_of(user)
        return own_role in ADMIN_ROLES and ROLES.index(role) >= ROLES.index(own_role)

    @property
    def label(self) -> Label:
        """The team's name in the audit log."""
        return Label(f"team {self.id} ({self.name})", "team", self.id, self.name)

    def member(self, user: User) -> TeamMember | None:
        """Return the membership of ``user``; None if there is none."""
        return db.session.scalar(select(TeamMember).filter_by(team_id=self.id, user_id=user.id))

    def add_member(self, user: User, role: Role = "member") -> TeamMember:
        """Add ``user`` to the team. Raise `DomainError` for a user who is already a member."""
        if self.member(user) is not None:
            raise DomainError("User is already a member of this team")
        member = TeamMember(team=self, user=user, role=role)
        db.session.add(member)
        db.session.flush()
        audit_log.record("member.added", user.label, team=self.label, role=role)
        return member

    def assign(self, app: App) -> None:
        """Assign ``app`` to the team; no change if it is already assigned."""
        if app not in self.apps:
            self.apps.append(app)
            audit_log.record("app.assigned", app.label, team=self.label)

    def unassign(self, app: App) -> None:
        """Unassign ``app`` from the team; no change if it is not assigned."""
        if app in self.apps:
            self.apps.remove(app)
            audit_log.record("app.unassigned", app.label, team=self.label)

    def ranked_members(self) -> list[TeamMember]:
        """Return the members with their users loaded: highest role first, then oldest first."""
        rank: Any = case({role: index for index, role in enumerate(ROLES)}, value=TeamMember.role)
        statement = select(TeamMember).filter_by(team_id=self.id).options(joinedload(TeamMember.user))
        return list(db.session.scalars(statement.order_by(rank, TeamMember.created_at, TeamMember.id)))


def admins_of(app_id: int) -> list[User]:
    """Return the admins and owners of the app's teams; the site admins if there are none."""
    teams = select(TeamApp.team_id).where(TeamApp.app_id == app_id)
    members = select(TeamMember.user_id).where(TeamMember.team_id.in_(teams), TeamMember.role.in_(ADMIN_ROLES))
    owners = select(Team.owner_id).where(Team.id.in_(teams))
    statement = select(User).order_by(User.id)
    found = list(db.session.scalars(statement.where(or_(User.id.in_(members), User.id.in_(owners)))))
    return found or list(db.session.scalars(statement.where(User.site_admin)))
