"""Alerts of an app: its channels, what is sent through them, and which events notify anybody."""

from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from sqlalchemy import select
from werkzeug.wrappers import Response
from wtforms import BooleanField

from checkend.auth.roles import Capability
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.exceptions import DomainError
from checkend.models import App, Channel, Delivery, Problem
from checkend.models.channel import count_deliveries, deliveries_of
from checkend.notifications import mail
from checkend.notifications.channel_settings import change_channel, create_channel, rotate_signing_secret
from checkend.notifications.channels import webhook
from checkend.notifications.encryption import secret_box
from checkend.notifications.message import Event
from checkend.notifications.test_message import send_test
from checkend.web.channel_forms import ChannelForm, edit_form, new_form
from checkend.web.forms import Form
from checkend.web.lookups import app_for, get_or_404
from checkend.web.one_time_secrets import pop_secret, redirect_with_secret
from checkend.web.pages import Page, page_number, run_and_redirect, signed_in_blueprint
from checkend.web.presenters.channel_kinds import EVENT_CHOICES, KINDS, Kind, describe_target, event_label

bp = signed_in_blueprint("alerts", "/apps/<slug>/alerts")
bp.app_template_filter("target")(describe_target)
bp.app_template_filter("event_label")(event_label)
DELIVERIES_PER_PAGE = 50


class EventsForm(Form):
    """The events that notify the app's channels at all."""

    notify_on_new_problem = BooleanField(EVENT_CHOICES[Event.NEW_PROBLEM])
    notify_on_reoccurrence = BooleanField(EVENT_CHOICES[Event.REOCCURRENCE])


@bp.get("")
def index(slug: str) -> Page:
    """List the app's channels with their state."""
    app = app_for(Capability.EDIT_APP, slug)
    return render_template(
        "alerts/index.html", app=app, channels=Channel.of_app(app), kinds=KINDS, form=EventsForm(obj=app)
    )


@bp.post("/events")
def change_events(slug: str) -> Response:
    """Choose the events that notify the app's channels."""
    app, form = app_for(Capability.EDIT_APP, slug), EventsForm()
    return run_and_redirect(lambda: app.change(**form.data), "Events saved.", _index_url(app))


@bp.route("/new", methods=["GET", "POST"])
def new(slug: str) -> Any:
    """Let the user pick a kind, then create a channel of it; the signing secret of a webhook is shown once."""
    app = app_for(Capability.EDIT_APP, slug)
    if "kind" not in request.args:
        return render_template("alerts/kinds.html", app=app, kinds=KINDS)
    kind = KINDS.get(request.args["kind"]) or abort(404)
    form = new_form(kind)
    if form.validate_on_submit():
        with form.catch_domain_errors():
            with write_transaction():
                channel, secret = create_channel(app, secret_box(), form.values() | {"kind": kind.name})
            flash(f"Added channel '{channel.name}'. Send a test message to check that it works.")
            return _show_secret(channel, secret) if secret else redirect(_index_url(app))
    return _form_page(app, form, kind)


@bp.route("/<int:channel_id>", methods=["GET", "POST"])
def edit(slug: str, channel_id: int) -> Any:
    """Show and change a channel; secrets that are left empty stay."""
    channel = _channel_for(slug, channel_id)
    kind = KINDS[channel.kind]
    form = edit_form(kind, channel)
    if form.validate_on_submit():
        with form.catch_domain_errors():
            with write_transaction():
                change_channel(channel, secret_box(), form.values())
            flash(f"Saved channel '{channel.name}'.")
            return redirect(_index_url(channel.app))
    return _form_page(channel.app, form, kind, channel)


@bp.post("/<int:channel_id>/enabled")
def set_enabled(slug: str, channel_id: int) -> Response:
    """Enable or disable a channel."""
    channel = _channel_for(slug, channel_id)
    enabled = request.form.get("enabled") == "yes"
    message = f"{'Enabled' if enabled else 'Disabled'} channel '{channel.name}'."
    return run_and_redirect(lambda: channel.change(enabled=enabled), message, _index_url(channel.app))


@bp.post("/<int:channel_id>/delete")
def delete(slug: str, channel_id: int) -> Response:
    """Delete a channel with its deliveries."""
    channel = _channel_for(slug, channel_id)
    return run_and_redirect(channel.delete, f"Deleted channel '{channel.name}'.", _index_url(channel.app))


@bp.post("/<int:channel_id>/test")
def test(slug: str, channel_id: int) -> Response:
    """Send a test message now, and say what became of it."""
    channel = _channel_for(slug, channel_id)
    name, target = channel.name, _index_url(channel.app)
    outcome = send_test(channel)
    if outcome.error:
        flash(f"The test message through '{name}' was not delivered. {outcome.error}", "error")
    else:
        flash(f"The test message through '{name}' was delivered.")
    return redirect(target)


@bp.post("/<int:channel_id>/rotate-secret")
def rotate_secret(slug: str, channel_id: int) -> Response:
    """Give a webhook a new signing secret, and redirect to the page that shows it once."""
    channel = _channel_for(slug, channel_id)
    try:
        with write_transaction():
            secret = rotate_signing_secret(channel, secret_box())
    except DomainError as error:
        flash(str(error), "error")
        return redirect(url_for("alerts.edit", slug=slug, channel_id=channel_id))
    return _show_secret(channel, secret)


@bp.get("/<int:channel_id>/secret")
def secret(slug: str, channel_id: int) -> Page:
    """Show a signing secret that was just created; after a reload, explain why it is not shown any more."""
    channel = _channel_for(slug, channel_id)
    if channel.kind != webhook.KIND:
        abort(404)
    return render_template("alerts/secret.html", app=channel.app, channel=channel, value=pop_secret().get("secret"))


@bp.get("/<int:channel_id>/deliveries")
def deliveries(slug: str, channel_id: int) -> Page:
    """List what was sent through a channel, newest first."""
    channel, page = _channel_for(slug, channel_id), page_number()
    first = (page - 1) * DELIVERIES_PER_PAGE
    rows = db.session.scalars(deliveries_of(channel).limit(DELIVERIES_PER_PAGE).offset(first)).all()
    existing = select(Problem.id, Problem.error_class).where(Problem.id.in_({row.problem_id for row in rows} - {None}))
    return render_template(
        "alerts/deliveries.html",
        app=channel.app,
        channel=channel,
        deliveries=rows,
        problems={problem_id: error_class for problem_id, error_class in db.session.execute(existing)},
        page=page,
        per_page=DELIVERIES_PER_PAGE,
        total=count_deliveries(channel),
    )


@bp.post("/<int:channel_id>/deliveries/<int:delivery_id>/redeliver")
def redeliver(slug: str, channel_id: int, delivery_id: int) -> Response:
    """Send a delivery that ended again."""
    channel = _channel_for(slug, channel_id)
    delivery = get_or_404(Delivery, delivery_id, channel_id=channel.id)
    target = url_for("alerts.deliveries", slug=slug, channel_id=channel_id)
    return run_and_redirect(delivery.redeliver, "The notification will be sent again within a few seconds.", target)


def _form_page(app: App, form: ChannelForm, kind: Kind, channel: Channel | None = None) -> Page:
    html = render_template(
        "alerts/channel.html",
        app=app,
        form=form,
        kind=kind,
        channel=channel,
        event_choices=EVENT_CHOICES,
        mail_configured=mail.is_configured(),
    )
    return html, form.status


def _channel_for(slug: str, channel_id: int) -> Channel:
    app = app_for(Capability.EDIT_APP, slug)
    return get_or_404(Channel, channel_id, app_id=app.id)


def _index_url(app: App) -> str:
    return url_for("alerts.index", slug=app.slug)


def _show_secret(channel: Channel, secret: str) -> Response:
    return redirect_with_secret(url_for("alerts.secret", slug=channel.app.slug, channel_id=channel.id), secret=secret)
