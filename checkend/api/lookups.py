"""Decorators that replace the ids in a path by their records, or respond with 404.

They belong below ``@requires`` and above ``@body``: a key without the permission cannot find out what exists, and a
missing record is reported before an invalid body. A record that belongs to another parent counts as missing.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from sqlalchemy import select

from checkend.auth.api_keys import permitted_apps
from checkend.db.session import Base, db
from checkend.exceptions import ApiError, DomainError
from checkend.models import App, Channel, Delivery, Invitation, Notice, Problem, Tag, Team, TeamMember, User
from checkend.models.notification_preference import Subscription, subscriptions_of
from checkend.models.scope import AppScope
from checkend.models.slugs import by_id, by_slug_or_id, parse_id

View = TypeVar("View", bound=Callable[..., Any])
Record = TypeVar("Record", bound=Base)
Ids = Mapping[str, str]


def resolve_reference(model: type[Record], reference: int | str, message: str) -> Record:
    """Return the record that a body refers to: a number is its id, text its slug or id.

    Raise `DomainError` with ``message`` if there is none.
    """
    record = by_id(model, str(reference)) if isinstance(reference, int) else by_slug_or_id(model, reference)
    if record is None:
        raise DomainError(message)
    return record


def find_apps(references: list[str]) -> AppScope:
    """Return the apps with these slugs or ids. Raise `ApiError` 422 with a message for each that is not found.

    Without references, return all apps that the key may use.
    """
    if not references:
        return permitted_apps()
    ids = [app_id for reference in references if (app_id := parse_id(reference)) is not None]
    statement = select(App.id, App.slug).where(App.slug.in_(references) | App.id.in_(ids))
    found = db.session.execute(permitted_apps().narrow(statement, App.id)).all()
    known = {text for app_id, slug in found for text in (str(app_id), slug)}
    if unknown := [reference for reference in references if reference not in known]:
        raise ApiError(422, messages=[f"app {reference[:100]!r} was not found." for reference in unknown])
    return AppScope.of(app_id for app_id, _ in found)


def _or_404(record: Record | None, kind: str) -> Record:
    if record is None:
        raise ApiError(404, f"{kind} not found.")
    return record


def _app(ids: Ids) -> App:
    app = by_slug_or_id(App, ids["app_id"])
    return _or_404(app if app and app.id in permitted_apps() else None, "App")


def _problem(ids: Ids) -> Problem:
    app, problem = _app(ids), by_id(Problem, ids["problem_id"])
    return _or_404(problem if problem and problem.app_id == app.id else None, "Problem")


def _notice(ids: Ids) -> Notice:
    problem, notice = _problem(ids), by_id(Notice, ids["notice_id"])
    return _or_404(notice if notice and notice.problem_id == problem.id else None, "Notice")


def _tag(problem: Problem, ids: Ids) -> Tag:
    return _or_404(next((tag for tag in problem.tags if str(tag.id) == ids["tag_id"]), None), "Tag")


def _channel(ids: Ids) -> Channel:
    app, channel = _app(ids), by_id(Channel, ids["channel_id"])
    return _or_404(channel if channel and channel.app_id == app.id else None, "Channel")


def _delivery(ids: Ids) -> Delivery:
    channel, delivery = _channel(ids), by_id(Delivery, ids["delivery_id"])
    return _or_404(delivery if delivery and delivery.channel_id == channel.id else None, "Delivery")


def _team(ids: Ids) -> Team:
    return _or_404(by_slug_or_id(Team, ids["team_id"]), "Team")


def _member(ids: Ids) -> TeamMember:
    team, member = _team(ids), by_id(TeamMember, ids["member_id"])
    return _or_404(member if member and member.team_id == team.id else None, "Member")


def _invitation(ids: Ids) -> Invitation:
    team, invitation = _team(ids), by_id(Invitation, ids["invitation_id"])
    is_open = invitation is not None and invitation.team_id == team.id and invitation.is_open
    return _or_404(invitation if is_open else None, "Invitation")


def _user(ids: Ids) -> User:
    return _or_404(by_slug_or_id(User, ids["user_id"]), "User")


def _subscription(ids: Ids) -> Subscription:
    user, app = _user(ids), _app(ids)
    found = next((one for one in subscriptions_of(user) if one.app.id == app.id), None)
    if found is None:
        raise ApiError(404, "The app is in none of the user's teams.")
    return found


def _replacing(find: Callable[[Ids], dict[str, Any]]) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def with_records(**ids: Any) -> Any:
            return view(**find(ids))

        return with_records  # type: ignore[return-value]  # the view with ids for its records

    return decorate


with_app = _replacing(lambda ids: {"app": _app(ids)})
with_problem = _replacing(lambda ids: {"problem": _problem(ids)})
with_notice = _replacing(lambda ids: {"notice": _notice(ids)})
with_problem_and_tag = _replacing(lambda ids: {"problem": (problem := _problem(ids)), "tag": _tag(problem, ids)})
with_channel = _replacing(lambda ids: {"channel": _channel(ids)})
with_delivery = _replacing(lambda ids: {"delivery": _delivery(ids)})
with_team = _replacing(lambda ids: {"team": _team(ids)})
with_team_and_app = _replacing(lambda ids: {"team": _team(ids), "app": _app(ids)})
with_member = _replacing(lambda ids: {"member": _member(ids)})
with_invitation = _replacing(lambda ids: {"invitation": _invitation(ids)})
with_user = _replacing(lambda ids: {"user": _user(ids)})
with_subscription = _replacing(lambda ids: {"subscription": _subscription(ids)})
