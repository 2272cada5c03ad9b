"""Tags of problems."""

import re

from sqlalchemy import ForeignKey, Integer, String, select
from sqlalchemy.orm import Mapped, mapped_column

from checkend.db.session import Model, db
from checkend.exceptions import DomainError

_NAME = re.compile(r"[a-z0-9_-]{1,50}")
NAME_RULE = "Tag name must be 1 to 50 letters, digits, hyphens or underscores."


class ProblemTag(Model):
    """A tag on a problem."""

    __tablename__ = "problem_tags"
    __table_args__ = ({"sqlite_with_rowid": False},)

    problem_id: Mapped[int] = mapped_column(ForeignKey("problems.id", ondelete="CASCADE"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True, index=True)


class Tag(Model):
    """A tag, shared by all problems that have it."""

    __tablename__ = "tags"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)

    @classmethod
    def named(cls, name: str) -> "Tag":
        """Return the tag with this name; create it if there is none. Raise `DomainError` for an invalid name."""
        name = normalize_tag_name(name)
        if not _NAME.fullmatch(name):
            raise DomainError(NAME_RULE)
        tag = db.session.scalar(select(cls).where(cls.name == name))
        if tag is None:
            tag = cls(name=name)
            db.session.add(tag)
            db.session.flush()
        return tag


def normalize_tag_name(name: str) -> str:
    """Return ``name`` trimmed and in lower case, as tag names are stored and compared."""
    return name.strip().lower()


def coerce_tag_name(name: str) -> str | None:
    """Return the name of a tag in a report as a valid one: hyphens replace other characters. None if nothing is left.

    A report is never rejected because of a tag, so that no error is lost because of a detail.
    """
    return re.sub(r"[^a-z0-9_-]+", "-", normalize_tag_name(name))[:50].strip("-") or None
