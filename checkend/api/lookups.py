"""Decorators that replace the ids in a path by their records, or answer 404.

They stand below ``@requires`` and above ``@body``: who may not ask learns nothing, and a record that is not there
is said before a body that is wrong. A record that belongs to another parent is not there.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from checkend.db.session import Base
from checkend.exceptions import ApiError, DomainError
from checkend.models import App, Channel, Delivery, Notice, Problem, Tag, Team, TeamMember, User
from checkend.models.slugs import by_id, by_slug_or_id

View = TypeVar("View", bound=Callable[..., Any])
Record = TypeVar("Record", bound=Base)
Ids = Mapping[str, str]


def resolve_reference(model: type[Record], reference: int | str, sentence: str) -> Record:
    """The record that a body names: a number by its id, text by its slug or id. Raises `DomainError` ``sentence``."""
    found = by_id(model, str(reference)) if isinstance(reference, int) else by_slug_or_id(model, reference)
    if found is None:
        raise DomainError(sentence)
    return found


def _found_or_404(record: Record | None, kind: str) -> Record:
    if record is None:
        raise ApiError(404, f"{kind} not found.")
    return record


def _app(ids: Ids) -> App:
    return _found_or_404(by_slug_or_id(App, ids["app_id"]), "App")


def _problem(ids: Ids) -> Problem:
    app, problem = _app(ids), by_id(Problem, ids["problem_id"])
    return _found_or_404(problem if problem and problem.app_id == app.id else None, "Problem")


def _notice(ids: Ids) -> Notice:
    problem, notice = _problem(ids), by_id(Notice, ids["notice_id"])
    return _found_or_404(notice if notice and notice.problem_id == problem.id else None, "Notice")


def _tag_of(problem: Problem, ids: Ids) -> Tag:
    return _found_or_404(next((tag for tag in problem.tags if str(tag.id) == ids["tag_id"]), None), "Tag")


def _channel(ids: Ids) -> Channel:
    app, channel = _app(ids), by_id(Channel, ids["channel_id"])
    return _found_or_404(channel if channel and channel.app_id == app.id else None, "Channel")


def _delivery(ids: Ids) -> Delivery:
    channel, delivery = _channel(ids), by_id(Delivery, ids["delivery_id"])
    return _found_or_404(delivery if delivery and delivery.channel_id == channel.id else None, "Delivery")


def _team(ids: Ids) -> Team:
    return _found_or_404(by_slug_or_id(Team, ids["team_id"]), "Team")


def _member(ids: Ids) -> TeamMember:
    team, member = _team(ids), by_id(TeamMember, ids["member_id"])
    return _found_or_404(member if member and member.team_id == team.id else None, "Member")


def _user(ids: Ids) -> User:
    return _found_or_404(by_slug_or_id(User, ids["user_id"]), "User")


def _replacing(find: Callable[[Ids], dict[str, Any]]) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def finding(**ids: Any) -> Any:
            return view(**find(ids))

        return finding  # type: ignore[return-value]  # the view with ids for its records

    return decorate


with_app = _replacing(lambda ids: {"app": _app(ids)})
with_problem = _replacing(lambda ids: {"problem": _problem(ids)})
with_notice = _replacing(lambda ids: {"notice": _notice(ids)})
with_channel = _replacing(lambda ids: {"channel": _channel(ids)})
with_delivery = _replacing(lambda ids: {"delivery": _delivery(ids)})
with_team = _replacing(lambda ids: {"team": _team(ids)})
with_member = _replacing(lambda ids: {"member": _member(ids)})
with_user = _replacing(lambda ids: {"user": _user(ids)})


@_replacing
def with_problem_and_tag(ids: Ids) -> dict[str, Any]:
    """Both; 404 when the problem does not carry the tag."""
    problem = _problem(ids)
    return {"problem": problem, "tag": _tag_of(problem, ids)}


@_replacing
def with_team_and_app(ids: Ids) -> dict[str, Any]:
    """Both, whether or not the app is assigned to the team."""
    return {"team": _team(ids), "app": _app(ids)}
