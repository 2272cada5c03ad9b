"""Which mail users get about the apps of their teams."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import Mapped, mapped_column

from checkend.db.session import Model, db
from checkend.models.app import App
from checkend.models.team import TeamApp, TeamMember
from checkend.models.user import User

PreferenceLevel = Literal["all", "new", "none"]


class NotificationPreference(Model):
    """Which mail a user gets about an app through channels that write to the members of its teams.

    ``level`` is ``all``, ``new`` (new problems only) or ``none``; without a row it is ``all``.
    """

    __tablename__ = "notification_preferences"
    __table_args__ = ({"sqlite_with_rowid": False},)

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    app_id: Mapped[int] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"), primary_key=True, index=True)
    level: Mapped[PreferenceLevel] = mapped_column(String(4))

    @classmethod
    def set_level(cls, user_id: int, app_id: int, level: PreferenceLevel) -> None:
        """Choose what mail the user gets about the app."""
        db.session.merge(cls(user_id=user_id, app_id=app_id, level=level))

    @classmethod
    def levels_of(cls, user: User) -> dict[int, PreferenceLevel]:
        """Return the user's levels by app id; apps that are missing have the level ``all``."""
        rows = db.session.execute(select(cls.app_id, cls.level).where(cls.user_id == user.id))
        return {app_id: level for app_id, level in rows}


def subscribed_members(app_id: int, event: str) -> list[User]:
    """Return the members of the app's teams whose preference admits mail about ``event``."""
    members = (
        select(TeamMember.user_id).join(TeamApp, TeamApp.team_id == TeamMember.team_id).where(TeamApp.app_id == app_id)
    )
    unwanted = ("none",) if event == "new_problem" else ("none", "new")
    declined = select(NotificationPreference.user_id).where(
        NotificationPreference.app_id == app_id, NotificationPreference.level.in_(unwanted)
    )
    statement = select(User).where(User.id.in_(members), User.id.not_in(declined)).order_by(User.id)
    return list(db.session.scalars(statement))


def subscribable_apps(user: User) -> list[App]:
    """Return the apps of the user's teams, whose channels may write to the user, by name."""
    teams = select(TeamMember.team_id).where(TeamMember.user_id == user.id)
    apps = select(TeamApp.app_id).where(TeamApp.team_id.in_(teams))
    return list(db.session.scalars(select(App).where(App.id.in_(apps)).order_by(App.name, App.id)))


@dataclass(frozen=True, slots=True)
class Subscription:
    """Which mail a user gets about an app of their teams."""

    user: User
    app: App
    level: PreferenceLevel


def subscriptions_of(user: User) -> list[Subscription]:
    """Return which mail the user gets about each of `subscribable_apps`."""
    levels = NotificationPreference.levels_of(user)
    return [Subscription(user, app, levels.get(app.id, "all")) for app in subscribable_apps(user)]
