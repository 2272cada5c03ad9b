"""Which email a user gets about the apps of their teams: /api/v1/users/:user_id/notification_preferences."""

from dataclasses import replace
from typing import Any

from flask import Blueprint

from checkend.api.decorators import body, response
from checkend.api.lookups import with_subscription, with_user
from checkend.auth.api_keys import authenticate
from checkend.auth.decorators import requires
from checkend.models import NotificationPreference, User
from checkend.models.notification_preference import Subscription, subscriptions_of
from checkend.schemas.user import NotificationPreferenceSchema

bp = Blueprint("notification_preferences", __name__)
bp.before_request(authenticate)


@bp.get("/users/<user_id>/notification_preferences")
@requires("users:read")
@with_user
@response(NotificationPreferenceSchema(many=True))
def index(user: User) -> list[Subscription]:
    """List which email a user gets about each app of their teams, by the name of the app."""
    return subscriptions_of(user)


@bp.get("/users/<user_id>/notification_preferences/<app_id>")
@requires("users:read")
@with_subscription
@response(NotificationPreferenceSchema())
def show(subscription: Subscription) -> Subscription:
    """Show which email a user gets about an app."""
    return subscription


@bp.route("/users/<user_id>/notification_preferences/<app_id>", methods=["PATCH", "PUT"])
@requires("users:write")
@with_subscription
@body(NotificationPreferenceSchema(), partial=True)
@response(NotificationPreferenceSchema())
def update(subscription: Subscription, data: dict[str, Any]) -> Subscription:
    """Choose which email a user gets about an app."""
    level = data.get("level", subscription.level)
    NotificationPreference.set_level(subscription.user.id, subscription.app.id, level)
    return replace(subscription, level=level)
