"""Look up the records that URLs name, and check what the user may do with them.

Records that the user may not see get a 404, those that the user may see but not change a 403.
"""

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
    """The ``int`` of URL rules, limited to ASCII digits and the range of ids.

    Werkzeug's own accepts the digits of any script and any number of them. Python refuses to convert more than 4,300
    digits, and SQLite stores 64 bits.
    """

    regex = "[0-9]{1,18}"


def app_for(capability: Capability, slug: str) -> App:
    """Return the app with this slug or id; abort with 404 or 403 unless the user has ``capability`` on it."""
    app = or_404(by_slug_or_id(App, slug))
    require(current_user(), capability, app)
    return app


def team_for(capability: Capability, slug: str) -> Team:
    """Return the team with this slug or id; abort with 404 or 403 unless the user has ``capability`` on it."""
    team = or_404(by_slug_or_id(Team, slug))
    require(current_user(), capability, team)
    return team


def user_for(slug: str) -> User:
    """Return the user with this slug or id; abort with 403 unless the signed-in user may manage users."""
    require(current_user(), Capability.MANAGE_USERS)
    return or_404(by_slug_or_id(User, slug))


def get_or_404(model: type[Record], record_id: int, **owned_by: Any) -> Record:
    """Return the record with this id; abort with 404 if there is none or its attributes are not ``owned_by``."""
    record = or_404(db.session.get(model, record_id) if 0 < record_id < 2**63 else None)
    if any(getattr(record, name) != value for name, value in owned_by.items()):
        abort(404)
    return record


def or_404(record: Record | None) -> Record:
    """Return ``record``; abort with 404 for None."""
    if record is None:
        abort(404)
    return record
