"""Slugs, and lookup of records by slug or id."""

import re
from typing import Any, TypeVar

from sqlalchemy import select

from checkend.db.session import Base, db

MAX_NAME_LENGTH = 255


def slugify(name: str, fallback: str) -> str:
    """Return ``name`` in lower case, with a hyphen for each run of characters other than a-z and 0-9.

    Hyphens at the ends are removed; if nothing is left, return ``fallback``. A slug that consists only of digits would
    be taken for an id, so ``fallback`` is prepended to it: ``app-2024``.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower())[:MAX_NAME_LENGTH].strip("-")
    return f"{fallback}-{slug}" if slug.isdigit() else slug or fallback


def unique_slug(model: type[Any], name: str, fallback: str) -> str:
    """Return a slug for ``name`` that no row of ``model`` has: the first unused one of ``x``, ``x-1``, ``x-2``."""
    base = slugify(name, fallback)
    taken = set(db.session.scalars(select(model.slug).where((model.slug == base) | model.slug.startswith(base + "-"))))
    if base not in taken:
        return base
    number = 1
    while f"{base}-{number}" in taken:
        number += 1
    return f"{base}-{number}"


Record = TypeVar("Record", bound=Base)


def by_slug_or_id(model: type[Record], reference: str) -> Record | None:
    """Return the row whose slug is ``reference``, or else the one with that id; None if there is neither."""
    model_with_slug: Any = model
    record = db.session.scalar(select(model).where(model_with_slug.slug == reference))
    return record if record is not None else by_id(model, reference)


def by_id(model: type[Record], reference: str) -> Record | None:
    """Return the row with the id ``reference``; None if there is none, or if that is not an id."""
    record_id = parse_id(reference)
    return None if record_id is None else db.session.get(model, record_id)


def parse_id(text: str) -> int | None:
    """Return the id that ``text`` is, in 1 to 18 ASCII digits; else None.

    SQLite stores 64 bits, and Python refuses to convert more than 4,300 digits.
    """
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None
