"""Apps: the applications that report their errors, each with its ingestion key."""

import re
import secrets
from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Integer, String, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from checkend.db.session import Model, created_column, db, updated_column
from checkend.exceptions import DomainError
from checkend.models import audit_log
from checkend.models.audit_log import Label
from checkend.models.scope import AppScope
from checkend.models.slugs import MAX_NAME_LENGTH, unique_slug

ALL_APPS = AppScope.all()
INGESTION_KEY_PREFIX = "cki_"
INGESTION_KEY_PATTERN = re.compile(r"cki_[A-Za-z0-9_-]{32,60}")


class App(Model):
    """An app, to which problems belong.

    ``problems_count`` and ``unresolved_problems_count`` are updated by everything that changes problems.
    ``stored_bytes`` is the approximate size of its data in the database; `checkend.models.storage` defines it.
    """

    __tablename__ = "apps"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))
    slug: Mapped[str] = mapped_column(String(300), unique=True)
    environment: Mapped[str | None] = mapped_column(String(255))
    ingestion_key: Mapped[str] = mapped_column(String(64), unique=True)
    notify_on_new_problem: Mapped[bool] = mapped_column(Boolean, default=True)
    notify_on_reoccurrence: Mapped[bool] = mapped_column(Boolean, default=True)
    problems_count: Mapped[int] = mapped_column(Integer, default=0)
    unresolved_problems_count: Mapped[int] = mapped_column(Integer, default=0)
    muted_problems_count: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"))
    stored_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    retention_days: Mapped[int | None] = mapped_column(Integer)
    retention_notices: Mapped[int | None] = mapped_column(Integer)
    grouping_off: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime] = created_column()
    updated_at: Mapped[datetime] = updated_column()

    @classmethod
    def create(cls, name: str, *, ingestion_key: str | None = None, **fields: object) -> "App":
        """Add a new app to the session, with a slug derived from ``name``; without an ingestion key, generate one.

        Raise `DomainError` for an ingestion key that is malformed or belongs to another app.
        """
        key = new_ingestion_key() if ingestion_key is None else _validate_ingestion_key(ingestion_key)
        app = cls(name=name, slug=unique_slug(cls, name, "app"), ingestion_key=key, **fields)
        db.session.add(app)
        db.session.flush()
        audit_log.record("app.created", app.label)
        return app

    @classmethod
    def named(cls, name: str) -> "App | None":
        """Return the app with exactly this name; of several, the oldest."""
        return db.session.scalar(select(cls).where(cls.name == name).order_by(cls.id).limit(1))

    @classmethod
    def newest_first(cls, scope: AppScope = ALL_APPS) -> list["App"]:
        """Return the apps in ``scope``, newest first."""
        statement = scope.narrow(select(cls), cls.id)
        return list(db.session.scalars(statement.order_by(cls.created_at.desc(), cls.id.desc())))

    def change(self, **fields: object) -> None:
        """Change columns by name. The slug stays the same, so that links and clients continue to work."""
        changes = {name: value for name, value in fields.items() if getattr(self, name) != value}
        if changes:
            audit_log.record("app.changed", self.label, changes=changes)
        for name, value in changes.items():
            setattr(self, name, value)

    def regenerate_ingestion_key(self) -> None:
        """Replace the ingestion key; the old one is rejected from the commit on."""
        self.ingestion_key = new_ingestion_key()
        audit_log.record("ingestion_key.regenerated", self.label)

    @property
    def open_problems_count(self) -> int:
        """The number of problems that are neither resolved nor muted."""
        return self.unresolved_problems_count - self.muted_problems_count

    @property
    def label(self) -> Label:
        """The app's name in the audit log."""
        return Label(f"app {self.id} ({self.name})", "app", self.id, self.name, self.id)

    @property
    def disabled_grouping_rules(self) -> frozenset[str]:
        """The names of the grouping rules that are turned off for this app."""
        return frozenset(self.grouping_off.split())


def adjust_problem_counts(app_id: int, *, problems: int = 0, unresolved: int = 0, muted: int = 0) -> None:
    """Add to the counts of an app's problems, of the unresolved ones, and of those among them that are muted."""
    counts = {
        "problems_count": App.problems_count + problems,
        "unresolved_problems_count": App.unresolved_problems_count + unresolved,
        "muted_problems_count": App.muted_problems_count + muted,
        "updated_at": App.updated_at,  # a new count is not a change of the app itself
    }
    statement = update(App).where(App.id == app_id).values(counts)
    db.session.execute(statement.execution_options(synchronize_session=False))


def _validate_ingestion_key(key: str) -> str:
    if not INGESTION_KEY_PATTERN.fullmatch(key):
        raise DomainError(
            f"An ingestion key is {INGESTION_KEY_PREFIX} followed by 32 to 60 letters, digits, hyphens or underscores."
        )
    if db.session.scalar(select(App.id).where(App.ingestion_key == key)) is not None:
        raise DomainError("Another app already has this ingestion key.")
    return key


def new_ingestion_key() -> str:
    """Return a new ingestion key: a recognizable prefix and 240 random bits."""
    return INGESTION_KEY_PREFIX + secrets.token_urlsafe(30)
