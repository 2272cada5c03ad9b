"""Problems: each groups the reports of what is probably the same defect."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import (
    Boolean,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    String,
    Subquery,
    UniqueConstraint,
    and_,
    func,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, defer, foreign, mapped_column, relationship, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from checkend import clock
from checkend.db.session import Model, UtcDateTime, created_column, db, updated_column
from checkend.exceptions import DomainError
from checkend.models.app import App, adjust_problem_counts
from checkend.models.counters import OTHER_VALUES, AppRelease, ProblemFacet
from checkend.models.level import Level
from checkend.models.problem_audit import MAX_IDS, add_change
from checkend.models.tag import Tag

if TYPE_CHECKING:
    from checkend.models.notice import Notice

Status = Literal["resolved", "unresolved"]
RESOLVED: Status = "resolved"
UNRESOLVED: Status = "unresolved"

# The values of a problem's columns while it is not muted.
NOT_MUTED: dict[str, Any] = {
    "muted_at": None,
    "muted_by": None,
    "mute_reason": None,
    "muted_until": None,
    "mute_total": None,
    "mute_rate": None,
    "mute_rate_minutes": None,
    "mute_until_release": False,
}


class Problem(Model):
    """A problem of an app. Reports with its fingerprint belong to it.

    ``notices_count`` counts the notices ever stored, ``deduplicated_count`` the duplicates that were only counted;
    neither decreases when retention removes notices.

    ``first_message`` is the message of the report that opened the problem; ``latest_message`` is the message of the
    latest stored notice if it differs, else NULL. ``search_text`` is the text in the search index
    (`checkend.models.search_index.search_text`); while ``search_pending``, it lacks the latest message.

    ``level`` is that of the latest stored notice; NULL if that was stored by a version that did not record it, and for
    the problem that collects the reports of an app with too many problems.

    ``regressed_at`` is when a report last reopened the problem. A problem is muted while ``muted_at`` is set; only
    unresolved problems are, because resolving one ends its mute. The other columns say by whom, why and until when
    (`checkend.models.mute.MuteTerms`): ``mute_total`` is the number of occurrences at which the mute ends.
    """

    __tablename__ = "problems"
    __table_args__ = (
        UniqueConstraint("app_id", "fingerprint"),
        Index("ix_problems_recent", "app_id", "last_noticed_at"),
        Index("ix_problems_status_recent", "app_id", "status", "last_noticed_at"),
        Index("ix_problems_notices", "app_id", "notices_count"),
        Index("ix_problems_status_notices", "app_id", "status", "notices_count"),
        Index("ix_problems_all_recent", "last_noticed_at"),
        Index("ix_problems_new", "app_id", "first_noticed_at"),
        Index("ix_problems_all_new", "first_noticed_at"),
        Index("ix_problems_muted", "app_id", "last_noticed_at", sqlite_where=text("muted_at IS NOT NULL")),
        Index("ix_problems_muted_until", "muted_until", sqlite_where=text("muted_until IS NOT NULL")),
        Index("ix_problems_search_pending", "id", sqlite_where=text("search_pending")),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    app_id: Mapped[int] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"))
    error_class: Mapped[str] = mapped_column(String)
    first_message: Mapped[str] = mapped_column("error_message", String)
    latest_message: Mapped[str | None] = mapped_column(String)
    fingerprint: Mapped[str] = mapped_column(String)
    grouping_version: Mapped[int] = mapped_column(Integer)
    grouping_reason: Mapped[str] = mapped_column(String, default="")
    location: Mapped[str] = mapped_column(String, default="")
    search_text: Mapped[str] = mapped_column(String)
    search_pending: Mapped[bool] = mapped_column(Boolean, default=False, server_default=text("0"))
    level: Mapped[Level | None] = mapped_column(String(10))
    status: Mapped[Status] = mapped_column(String(10), default=UNRESOLVED)
    notices_count: Mapped[int] = mapped_column(Integer, default=0)
    deduplicated_count: Mapped[int] = mapped_column(Integer, default=0)
    first_noticed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_noticed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    regressed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    muted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    muted_by: Mapped[str | None] = mapped_column(String)
    mute_reason: Mapped[str | None] = mapped_column(String)
    muted_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    mute_total: Mapped[int | None] = mapped_column(Integer)
    mute_rate: Mapped[int | None] = mapped_column(Integer)
    mute_rate_minutes: Mapped[int | None] = mapped_column(Integer)
    mute_until_release: Mapped[bool] = mapped_column(Boolean, default=False, server_default=text("0"))
    created_at: Mapped[datetime] = created_column()
    updated_at: Mapped[datetime] = updated_column()

    app: Mapped[App] = relationship()
    notices: Mapped[list["Notice"]] = relationship(back_populates="problem", passive_deletes="all")
    tags: Mapped[list[Tag]] = relationship(secondary="problem_tags", order_by=Tag.name, passive_deletes=True)
    environment_facets: Mapped[list[ProblemFacet]] = relationship(
        primaryjoin=lambda: and_(Problem.id == ProblemFacet.problem_id, ProblemFacet.name == "environment"),
        order_by=ProblemFacet.value,
        viewonly=True,
    )
    releases: Mapped[list[AppRelease]] = relationship(
        secondary=lambda: _reported_releases,
        primaryjoin=lambda: Problem.id == foreign(_reported_releases.c.problem_id),
        secondaryjoin=lambda: and_(
            foreign(_reported_releases.c.app_id) == AppRelease.app_id,
            foreign(_reported_releases.c.name) == AppRelease.name,
        ),
        order_by=(AppRelease.first_seen_at, AppRelease.name),
        viewonly=True,
    )

    @property
    def error_message(self) -> str | None:
        """The message of the latest stored notice; None if that was sent without one."""
        return (self.first_message if self.latest_message is None else self.latest_message) or None

    @property
    def occurrences(self) -> int:
        """Number of reports: stored notices and duplicates."""
        return self.notices_count + self.deduplicated_count

    @property
    def muted(self) -> bool:
        """Return whether the problem is muted."""
        return self.muted_at is not None

    @property
    def culprit(self) -> str | None:
        """The code location that the problem is attributed to; None without a backtrace."""
        return self.location or None

    @property
    def environments(self) -> list[str]:
        """The environments that the problem was reported in, by name; those that are counted individually."""
        return [facet.value for facet in self.environment_facets if facet.value != OTHER_VALUES]

    @property
    def first_release(self) -> str | None:
        """Of the releases that the problem was reported in, the one that its app first reported from the earliest."""
        return self.releases[0].name if self.releases else None

    @property
    def last_release(self) -> str | None:
        """Of the releases that the problem was reported in, the one that its app first reported from the latest."""
        return self.releases[-1].name if self.releases else None

    def resolve(self) -> None:
        """Mark the problem as resolved; no change if it is."""
        self._set_status(RESOLVED)

    def unresolve(self) -> None:
        """Reopen the problem; no change if it is unresolved."""
        self._set_status(UNRESOLVED)

    def _set_status(self, status: Status) -> None:
        if set_status(Problem.id == self.id, status):
            db.session.refresh(self)

    def add_tag(self, name: str) -> Tag:
        """Add the tag with this name. Raise `DomainError` for an invalid name, or if the problem has the tag."""
        tag = Tag.named(name)
        if tag in self.tags:
            raise DomainError("Tag already added to this problem")
        self.tags.append(tag)
        record_change("problem.tagged", [Problem.id == self.id], tag=tag.name)
        return tag

    def remove_tag(self, tag: Tag) -> None:
        """Remove a tag that the problem has."""
        self.tags.remove(tag)
        record_change("problem.untagged", [Problem.id == self.id], tag=tag.name)


_reported_releases: Subquery = (
    select(ProblemFacet.problem_id, Problem.app_id, ProblemFacet.value.label("name"))
    .join(Problem, Problem.id == ProblemFacet.problem_id)
    .where(ProblemFacet.name == "revision")
    .subquery("reported_releases")
)


def details_options() -> tuple[ORMOption, ...]:
    """Return the options with which a query loads what the API shows of problems, with a constant number of queries."""
    return (
        defer(Problem.search_text),
        selectinload(Problem.tags),
        selectinload(Problem.environment_facets),
        selectinload(Problem.releases),
    )


def set_status(condition: ColumnElement[bool], status: Status) -> int:
    """Resolve or reopen the problems that meet ``condition``, and update the counts of their apps.

    Resolving ends mutes, so that a problem that was not fixed after all sends a notification. Return how many of
    the problems had another status.
    """
    changing = [condition, Problem.status != status]
    counts = select(Problem.app_id, func.count(), func.count(Problem.muted_at)).where(*changing)
    by_app = db.session.execute(counts.group_by(Problem.app_id)).all()
    if not by_app:
        return 0
    record_change("problem.resolved" if status == RESOLVED else "problem.reopened", changing)
    now = clock.now()
    values = {"status": status, "resolved_at": now if status == RESOLVED else None, "updated_at": now, **NOT_MUTED}
    statement = update(Problem).where(*changing).values(values)
    db.session.execute(statement.execution_options(synchronize_session=False))
    for app_id, count, muted in by_app:
        adjust_problem_counts(app_id, unresolved=-count if status == RESOLVED else count, muted=-muted)
    db.session.expire_all()
    return sum(count for _, count, _ in by_app)


def record_change(event: str, conditions: Sequence[ColumnElement[bool]], **details: Any) -> None:
    """Add the change of the problems that meet ``conditions``, which is about to be made, to the audit log."""
    first = select(Problem.id, Problem.error_class).where(*conditions).order_by(Problem.id).limit(MAX_IDS)
    counts = select(Problem.app_id, func.count()).where(*conditions).group_by(Problem.app_id)
    if by_app := {app_id: count for app_id, count in db.session.execute(counts)}:
        add_change(event, [(row.id, row.error_class) for row in db.session.execute(first)], by_app, details)
