"""Tags, and which problems carry them."""

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
    """A tag's name, shared by all problems that carry it."""

    __tablename__ = "tags"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)

    @classmethod
    def named(cls, name: str) -> "Tag":
        """The tag called ``name``, made if need be. Raises `DomainError` for a name that no tag may have."""
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
    """A tag name as it is compared: trimmed, lower case."""
    return name.strip().lower()


def coerce_tag_name(name: str) -> str | None:
    """What a report calls a tag, made into an allowed name: other characters become hyphens; None if none is left.

    Reports are never refused for a tag, so that no error is lost to a detail.
    """
    return re.sub(r"[^a-z0-9_-]+", "-", normalize_tag_name(name))[:50].strip("-") or None
