"""Channels: /api/v1/apps/:app_id/channels."""

from typing import Any

from flask import Blueprint
from sqlalchemy import Select

from checkend.api.decorators import body, paginated, query, response
from checkend.api.lookups import with_app, with_channel, with_delivery
from checkend.auth.api_keys import authenticate
from checkend.auth.decorators import requires
from checkend.db.session import db
from checkend.models import App, Channel, Delivery
from checkend.models.channel import count_deliveries, deliveries_of
from checkend.notifications.channel_settings import change_channel, create_channel, rotate_signing_secret
from checkend.notifications.encryption import secret_box
from checkend.notifications.test_message import send_test
from checkend.schemas.channel import ChannelSchema, ChannelTestSchema, ChannelWithSecretSchema, DeliverySchema
from checkend.schemas.page import PageOnlyQuery

bp = Blueprint("channels", __name__)
bp.before_request(authenticate)


@bp.get("/apps/<app_id>/channels")
@requires("apps:read")
@with_app
@response(ChannelSchema(many=True))
def index(app: App) -> list[Channel]:
    """List the channels of an app, oldest first. An app has at most 20."""
    return Channel.of_app(app)


@bp.post("/apps/<app_id>/channels")
@requires("apps:write")
@with_app
@body(ChannelSchema())
@response(ChannelWithSecretSchema(), 201, located=True)
def create(app: App, data: dict[str, Any]) -> dict[str, Any]:
    """Create a channel. Only this response contains a webhook's signing secret."""
    channel, signing_secret = create_channel(app, secret_box(), data)
    return _with_secret(channel, signing_secret)


@bp.get("/apps/<app_id>/channels/<channel_id>")
@requires("apps:read")
@with_channel
@response(ChannelSchema())
def show(channel: Channel) -> Channel:
    """Show a channel. Secrets are not part of it."""
    return channel


@bp.route("/apps/<app_id>/channels/<channel_id>", methods=["PATCH", "PUT"])
@requires("apps:write")
@with_channel
@body(ChannelSchema(), partial=True)
@response(ChannelSchema())
def update(channel: Channel, data: dict[str, Any]) -> Channel:
    """Update a channel. Fields that are not sent stay as they are.

    Disabling a channel gives up its pending deliveries; enabling it forgets its failures.
    """
    change_channel(channel, secret_box(), data)
    return channel


@bp.delete("/apps/<app_id>/channels/<channel_id>")
@requires("apps:write")
@with_channel
@response(status=204)
def delete(channel: Channel) -> None:
    """Delete a channel with its deliveries. What is pending is not sent."""
    channel.delete()


@bp.post("/apps/<app_id>/channels/<channel_id>/rotate_secret")
@requires("apps:write")
@with_channel
@response(ChannelWithSecretSchema())
def rotate_secret(channel: Channel) -> dict[str, Any]:
    """Replace the signing secret of a webhook. The old one signs as well for another 24 hours."""
    return _with_secret(channel, rotate_signing_secret(channel, secret_box()))


@bp.post("/apps/<app_id>/channels/<channel_id>/test")
@requires("apps:write", writing=False)  # receivers can be slow
@with_channel
@response(ChannelTestSchema())
def test(channel: Channel) -> dict[str, str]:
    """Send a test notification now, also through a disabled channel.

    The response takes as long as the receiver, at most 10 seconds (20 seconds for each address of an email channel).
    """
    outcome = send_test(channel)
    return {"status": "failed" if outcome.error else "delivered", "detail": outcome.error or "Delivered."}


@bp.get("/apps/<app_id>/channels/<channel_id>/deliveries")
@requires("apps:read")
@with_channel
@query(PageOnlyQuery())
@paginated(DeliverySchema())
def deliveries(channel: Channel) -> tuple[Select[Any], int]:
    """List the deliveries of a channel, newest first. Those that ended are kept for 30 days."""
    return deliveries_of(channel), count_deliveries(channel)


@bp.post("/apps/<app_id>/channels/<channel_id>/deliveries/<delivery_id>/redeliver")
@requires("apps:write")
@with_delivery
@response(DeliverySchema())
def redeliver(delivery: Delivery) -> Delivery:
    """Queue a delivery that has ended again, with the same message id.

    It is rejected while the delivery is pending or its channel is disabled.
    """
    delivery.redeliver()
    return delivery


def _with_secret(channel: Channel, signing_secret: str | None) -> dict[str, Any]:
    db.session.flush()  # sets updated_at
    shown: dict[str, Any] = {name: getattr(channel, name) for name in ChannelSchema().fields}
    return shown | ({"signing_secret": signing_secret} if signing_secret else {})
