"""Teams: who works on which apps, in which role."""

from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import ForeignKey, Integer, String, UniqueConstraint, case, select
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship

from checkend.extensions import Model, created_column, db, updated_column
from checkend.models.app import App
from checkend.models.rules import MAX_NAME, RuleBroken, unique_slug
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
    """A user's place in a team."""

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
        """Change the role. Raises `RuleBroken` when the team would have no admin left."""
        if role not in ADMIN_ROLES and self.is_last_admin:
            raise RuleBroken("Cannot demote the last admin of the team")
        self.role = role

    def remove(self) -> None:
        """Take the user out of the team. Raises `RuleBroken` for its last admin."""
        if self.is_last_admin:
            raise RuleBroken("Cannot remove the last admin from the team")
        db.session.delete(self)

    @property
    def is_last_admin(self) -> bool:
        return self.role in ADMIN_ROLES and not any(
            other.role in ADMIN_ROLES for other in self.team.members if other is not self
        )


class Team(Model):
    """A team with its owner, who is always one of its admins when it is made or handed over."""

    __tablename__ = "teams"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    slug: Mapped[str] = mapped_column(String(300), unique=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    created_at: Mapped[datetime] = created_column()
    updated_at: Mapped[datetime] = updated_column()

    owner: Mapped[User] = relationship(back_populates="owned_teams")
    members: Mapped[list[TeamMember]] = relationship(back_populates="team", passive_deletes="all")
    apps: Mapped[list[App]] = relationship(secondary="team_apps", order_by=(App.name, App.id), passive_deletes=True)

    @classmethod
    def create(cls, name: str, owner: User) -> "Team":
        """A new team in the session, with ``owner`` as a member with the role admin."""
        team = cls(name=name, slug=unique_slug(cls, name, "team"), owner=owner)
        db.session.add_all([team, TeamMember(team=team, user=owner, role="admin")])
        db.session.flush()
        return team

    @classmethod
    def newest_first(cls) -> list["Team"]:
        return list(db.session.scalars(select(cls).order_by(cls.created_at.desc(), cls.id.desc())))

    def hand_over(self, owner: User) -> None:
        """Give the team to ``owner``, who becomes an admin member; no change when it is theirs."""
        if owner is self.owner:
            return
        self.owner = owner
        member = self.member(owner)
        if member is None:
            db.session.add(TeamMember(team=self, user=owner, role="admin"))
        elif member.role not in ADMIN_ROLES:
            member.role = "admin"

    def member(self, user: User) -> TeamMember | None:
        """The membership of ``user``, or None."""
        return db.session.scalar(select(TeamMember).filter_by(team_id=self.id, user_id=user.id))

    def add_member(self, user: User, role: Role = "member") -> TeamMember:
        """Take ``user`` in. Raises `RuleBroken` when already a member."""
        if self.member(user) is not None:
            raise RuleBroken("User is already a member of this team")
        member = TeamMember(team=self, user=user, role=role)
        db.session.add(member)
        db.session.flush()
        return member

    def assign(self, app: App) -> None:
        """Assign ``app``; no change when it is assigned."""
        if app not in self.apps:
            self.apps.append(app)

    def ranked_members(self) -> list[TeamMember]:
        """The members with their users loaded: highest role first, then oldest."""
        rank: Any = case({role: place for place, role in enumerate(ROLES)}, value=TeamMember.role)
        statement = select(TeamMember).filter_by(team_id=self.id).options(joinedload(TeamMember.user))
        return list(db.session.scalars(statement.order_by(rank, TeamMember.created_at, TeamMember.id)))
