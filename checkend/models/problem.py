"""A problem: all reports that one change of the code would mend."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Boolean, ForeignKey, Index, Integer, Select, String, UniqueConstraint, func, select, text, update
from sqlalchemy.orm import Mapped, defer, joinedload, mapped_column, relationship, selectinload

from checkend import clock
from checkend.db.search import contains_text
from checkend.db.session import Model, UtcDateTime, created_column, db, updated_column
from checkend.exceptions import DomainError
from checkend.models.app import App, adjust_problem_counts
from checkend.models.counters import ProblemFacet
from checkend.models.tag import ProblemTag, Tag, normalize_tag_name

if TYPE_CHECKING:
    from checkend.models.notice import Notice

Status = Literal["resolved", "unresolved"]
RESOLVED: Status = "resolved"
UNRESOLVED: Status = "unresolved"
ID_BATCH_SIZE = 1000


class Problem(Model):
    """A problem of an app, found again by its fingerprint.

    ``notices_count`` counts the notices ever stored, ``deduplicated_count`` the repeats that were only counted; both
    stay when retention removes notices.

    ``first_message`` is the message that the problem was opened with, ``latest_message`` that of the latest stored
    notice where it differs, else NULL. ``search_text`` is what the search index holds of both
    (`checkend.models.search_index.search_text`); while ``search_pending``, it lacks the latest message.
    """

    __tablename__ = "problems"
    __table_args__ = (
        UniqueConstraint("app_id", "fingerprint"),
        Index("ix_problems_recent", "app_id", "last_noticed_at"),
        Index("ix_problems_status_recent", "app_id", "status", "last_noticed_at"),
        Index("ix_problems_notices", "app_id", "notices_count"),
        Index("ix_problems_status_notices", "app_id", "status", "notices_count"),
        Index("ix_problems_all_recent", "last_noticed_at"),
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
    status: Mapped[Status] = mapped_column(String(10), default=UNRESOLVED)
    notices_count: Mapped[int] = mapped_column(Integer, default=0)
    deduplicated_count: Mapped[int] = mapped_column(Integer, default=0)
    first_noticed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_noticed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = created_column()
    updated_at: Mapped[datetime] = updated_column()

    app: Mapped[App] = relationship()
    notices: Mapped[list["Notice"]] = relationship(back_populates="problem", passive_deletes="all")
    tags: Mapped[list[Tag]] = relationship(secondary="problem_tags", order_by=Tag.name, passive_deletes=True)

    @property
    def error_message(self) -> str | None:
        """The message of the latest stored notice; None when it was sent without one."""
        return (self.first_message if self.latest_message is None else self.latest_message) or None

    @property
    def occurrences(self) -> int:
        """How often it happened: stored and only counted."""
        return self.notices_count + self.deduplicated_count

    def resolve(self) -> None:
        """Mark as resolved; no change when it is."""
        self._set_status(RESOLVED)

    def unresolve(self) -> None:
        """Open again; no change when it is open."""
        self._set_status(UNRESOLVED)

    def _set_status(self, status: Status) -> None:
        if self.status != status:
            set_status(self.app_id, [self.id], status)
            db.session.refresh(self)

    def add_tag(self, name: str) -> Tag:
        """Put the tag called ``name`` on. Raises `DomainError` when it is there, or is no name for a tag."""
        tag = Tag.named(name)
        if tag in self.tags:
            raise DomainError("Tag already added to this problem")
        self.tags.append(tag)
        return tag

    def delete(self) -> None:
        """Remove the problem with its notices and counts."""
        adjust_problem_counts(self.app_id, more=-1, more_unresolved=-1 if self.status == UNRESOLVED else 0)
        from checkend.models.storage import release_problems  # which knows notices, and so problems

        release_problems([self.id])
        db.session.delete(self)


def set_status(app_id: int, problem_ids: Iterable[int], status: Status) -> int:
    """Resolve or reopen those of ``problem_ids`` that are problems of the app, and keep its count of open ones.

    Returns how many of them are the app's, changed or not.
    """
    now = clock.now()
    change = update(Problem).values(status=status, resolved_at=now if status == RESOLVED else None, updated_at=now)
    found = changed = 0
    for ids in _batches(problem_ids):
        mine = [Problem.app_id == app_id, Problem.id.in_(ids)]
        found += db.session.scalar(select(func.count()).select_from(Problem).where(*mine)) or 0
        statement = change.where(*mine, Problem.status != status).execution_options(synchronize_session=False)
        result: Any = db.session.execute(statement)
        changed += result.rowcount
    adjust_problem_counts(app_id, more_unresolved=-changed if status == RESOLVED else changed)
    db.session.expire_all()
    return found


def _batches(problem_ids: Iterable[int]) -> list[list[int]]:
    """The ids that can exist, each once, in portions that fit into a statement."""
    ids = sorted({number for number in problem_ids if 0 < number < 2**63})
    return [ids[start : start + ID_BATCH_SIZE] for start in range(0, len(ids), ID_BATCH_SIZE)]


@dataclass(frozen=True, slots=True)
class ProblemFilter:
    """Which problems, and in which order. Empty parts do not narrow; times bound ``last_noticed_at``, inclusive."""

    status: Status | None = None
    search: str = ""
    tags: tuple[str, ...] = ()
    date_from: datetime | None = None
    date_to: datetime | None = None
    min_notices: int = 0
    environment: str = ""
    sort: Literal["recent", "oldest", "notices"] = "recent"

    @property
    def narrows_beyond_status(self) -> bool:
        """Whether anything but the status leaves problems out."""
        return bool(
            self.search or self.tags or self.date_from or self.date_to or self.min_notices > 0 or self.environment
        )


_ORDERS: dict[str, tuple[Any, ...]] = {
    "recent": (Problem.last_noticed_at.desc(), Problem.id.desc()),
    "oldest": (Problem.last_noticed_at.asc(), Problem.id.asc()),
    "notices": (Problem.notices_count.desc(), Problem.id.desc()),
}


def find_problems(app_ids: list[int] | None, wanted: ProblemFilter) -> Select[tuple[Problem]]:
    """The problems of the apps (None: of all) that ``wanted`` asks for, in its order, with their tags loaded."""
    statement = where_problems(select(Problem), app_ids, wanted)
    return statement.options(selectinload(Problem.tags)).order_by(*_ORDERS[wanted.sort])


def new_problems(app_ids: list[int] | None, since: datetime, limit: int) -> list[Problem]:
    """Up to ``limit`` problems of the apps (None: of all) that were first noticed from ``since`` on, newest first.

    They were last noticed since then too: that bounds the rows looked at to the problems of that time.
    """
    statement = where_problems(select(Problem), app_ids, ProblemFilter(date_from=since))
    statement = statement.where(Problem.first_noticed_at >= since)
    statement = statement.options(defer(Problem.search_text), selectinload(Problem.tags), joinedload(Problem.app))
    return list(db.session.scalars(statement.order_by(Problem.first_noticed_at.desc(), Problem.id.desc()).limit(limit)))


def count_problems(app_ids: list[int] | None, wanted: ProblemFilter) -> int:
    """How many `find_problems` finds in all; from the apps' kept counts where nothing but the status narrows."""
    if wanted.narrows_beyond_status:
        return db.session.scalar(where_problems(select(func.count()).select_from(Problem), app_ids, wanted)) or 0
    columns = {
        None: App.problems_count,
        UNRESOLVED: App.unresolved_problems_count,
        RESOLVED: App.problems_count - App.unresolved_problems_count,
    }
    statement = select(func.coalesce(func.sum(columns[wanted.status]), 0))
    if app_ids is not None:
        statement = statement.where(App.id.in_(app_ids))
    return db.session.scalar(statement) or 0


def where_problems(statement: Select[Any], app_ids: list[int] | None, wanted: ProblemFilter) -> Select[Any]:
    """``statement`` on problems narrowed to those of the apps (None: of all) that ``wanted`` asks for."""
    if app_ids is not None:
        statement = statement.where(Problem.app_id == app_ids[0] if len(app_ids) == 1 else Problem.app_id.in_(app_ids))
    if wanted.status:
        statement = statement.where(Problem.status == wanted.status)
    if wanted.search:
        statement = statement.where(contains_text(Problem.id, Problem.search_text, wanted.search))
    if wanted.tags:
        names = [normalize_tag_name(tag) for tag in wanted.tags]
        tagged = select(ProblemTag.problem_id).join(Tag, Tag.id == ProblemTag.tag_id).where(Tag.name.in_(names))
        statement = statement.where(Problem.id.in_(tagged))
    if wanted.date_from is not None:
        statement = statement.where(Problem.last_noticed_at >= wanted.date_from)
    if wanted.date_to is not None:
        statement = statement.where(Problem.last_noticed_at <= wanted.date_to)
    if wanted.min_notices > 0:
        statement = statement.where(Problem.notices_count >= wanted.min_notices)
    if wanted.environment:
        seen_in = select(ProblemFacet.problem_id).where(
            ProblemFacet.problem_id == Problem.id,
            ProblemFacet.name == "environment",
            ProblemFacet.value == wanted.environment,
        )
        statement = statement.where(seen_in.exists())
    return statement


def tags_in_use(app_ids: list[int] | None, limit: int) -> list[str]:
    """Up to ``limit`` names of tags that problems of the apps (None: of all) carry, by name."""
    carried = select(ProblemTag.problem_id).where(ProblemTag.tag_id == Tag.id)
    if app_ids is not None:
        carried = carried.join(Problem, Problem.id == ProblemTag.problem_id).where(Problem.app_id.in_(app_ids))
    return list(db.session.scalars(select(Tag.name).where(carried.exists()).order_by(Tag.name).limit(limit)))


def environments_of(problem_ids: list[int]) -> list[str]:
    """The environments that the problems were seen in, by name."""
    seen = select(ProblemFacet.value).where(
        ProblemFacet.problem_id.in_(problem_ids), ProblemFacet.name == "environment", ProblemFacet.value != ""
    )
    return sorted(set(db.session.scalars(seen)))
