"""What the models share: broken rules, slugs, and looking a record up by slug or id."""

import re
from typing import Any, TypeVar

from sqlalchemy import select

from checkend.db.session import Base, db

MAX_NAME_LENGTH = 255


def slugify(name: str, fallback: str) -> str:
    """``name`` in lower case with every run outside a-z0-9 one hyphen, none at either end; else ``fallback``.

    A slug of digits alone would be mistaken for an id, so ``fallback`` goes before it: ``app-2024``.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower())[:MAX_NAME_LENGTH].strip("-")
    return f"{fallback}-{slug}" if slug.isdigit() else slug or fallback


def unique_slug(model: type[Any], name: str, fallback: str) -> str:
    """A slug for ``name`` that no row of ``model`` has: the first free of ``x``, ``x-1``, ``x-2`` …"""
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
    """The row whose slug, or else numeric id, is ``reference``; None when there is none."""
    slugged: Any = model
    found = db.session.scalar(select(model).where(slugged.slug == reference))
    return found if found is not None else by_id(model, reference)


def by_id(model: type[Record], reference: str) -> Record | None:
    """The row with the id written in ``reference``; None when there is none or it is no id."""
    if not re.fullmatch(r"[0-9]{1,18}", reference):
        return None
    return db.session.get(model, int(reference))
