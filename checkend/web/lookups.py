"""From what an address names to the record, for those who may: else 404, or 403 where it may be seen."""

from typing import Any, TypeVar

from flask import abort
from werkzeug.routing import IntegerConverter

from checkend.auth.roles import Capability, require
from checkend.auth.sessions import current_user
from checkend.db.session import db
from checkend.models import App, Team, User
from checkend.models.slugs import by_slug_or_id

Record = TypeVar("Record")


class IdConverter(IntegerConverter):
    """The ``int`` of URLs, limited to what an id can be: werkzeug's own takes the digits of any script, and any number.

    Python refuses to read numbers of more than 4,300 digits, and SQLite those of more than 64 bits.
    """

    regex = "[0-9]{1,18}"


def app_for(ability: Capability, slug: str) -> App:
    """The app with this slug or id, on which the user has ``ability``."""
    app = or_404(by_slug_or_id(App, slug))
    require(current_user(), ability, app)
    return app


def team_for(ability: Capability, slug: str) -> Team:
    """The team with this slug or id, on which the user has ``ability``."""
    team = or_404(by_slug_or_id(Team, slug))
    require(current_user(), ability, team)
    return team


def user_for(slug: str) -> User:
    """The user with this slug or id, for those who manage users."""
    require(current_user(), Capability.MANAGE_USERS)
    return or_404(by_slug_or_id(User, slug))


def get_or_404(model: type[Record], number: int, **owned_by: Any) -> Record:
    """The row of ``model`` with this id and these values; aborts with 404 where there is none."""
    record = or_404(db.session.get(model, number) if 0 < number < 2**63 else None)
    if any(getattr(record, name) != value for name, value in owned_by.items()):
        abort(404)
    return record


def or_404(record: Record | None) -> Record:
    """``record``; aborts with 404 for None."""
    if record is None:
        abort(404)
    return record
