"""Keys of the Management API, for site admins."""

from datetime import UTC, datetime, time
from itertools import groupby
from typing import Any

from flask import render_template, url_for
from sqlalchemy import select
from werkzeug.wrappers import Response
from wtforms import DateField, SelectMultipleField, StringField
from wtforms.validators import Optional

from checkend.auth.permissions import ALL_PERMISSIONS, Permission
from checkend.auth.roles import Capability
from checkend.config.urls import public_url
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.models import ApiKey, App
from checkend.web.forms import Form
from checkend.web.lookups import get_or_404
from checkend.web.one_time_secrets import pop_secret, redirect_with_secret
from checkend.web.pages import Page, run_and_redirect, signed_in_blueprint

bp = signed_in_blueprint("api_keys", "/api-keys", capability=Capability.MANAGE_API_KEYS)


class ApiKeyForm(Form):
    """A new key. `ApiKey.create` checks the values."""

    name = StringField("Name")
    permissions = SelectMultipleField("Permissions", choices=list(ALL_PERMISSIONS))
    apps = SelectMultipleField("Apps", coerce=int)
    expires_on = DateField("Expires after", [Optional()])

    @property
    def expires_at(self) -> datetime | None:
        """The end of the chosen day in UTC."""
        return datetime.combine(self.expires_on.data, time.max, UTC) if self.expires_on.data else None


@bp.get("")
def index() -> Page:
    """List all keys, newest first."""
    return render_template("api_keys/index.html", keys=ApiKey.newest_first())


@bp.route("/new", methods=["GET", "POST"])
def create() -> Any:
    """Create a key and redirect to the page that shows its value once."""
    form, apps = ApiKeyForm(), {app.id: app for app in db.session.scalars(select(App).order_by(App.name, App.id))}
    form.apps.choices = [(app.id, app.name) for app in apps.values()]
    if form.validate_on_submit():
        with form.catch_domain_errors():
            with write_transaction():
                key, value = ApiKey.create(
                    form.name.data or "",
                    form.permissions.data or [],
                    form.expires_at,
                    [apps[app_id] for app_id in form.apps.data] if form.apps.data else None,
                )
            return redirect_with_secret(url_for("api_keys.created", key_id=key.id), value=value)
    # Each resource with its permissions by action, in the order of `Permission`.
    by_resource = groupby(Permission, lambda permission: permission.partition(":")[0])
    resources = [(name, {p.partition(":")[2]: p for p in permissions}) for name, permissions in by_resource]
    return render_template("api_keys/new.html", form=form, resources=resources), form.status


@bp.get("/<int:key_id>/created")
def created(key_id: int) -> Page:
    """Show the value of a key that was just created; after a reload, explain why it is not shown any more."""
    key, value = get_or_404(ApiKey, key_id), pop_secret().get("value")
    return render_template("api_keys/created.html", key=key, value=value, url=public_url())


@bp.post("/<int:key_id>/revoke")
def revoke(key_id: int) -> Response:
    """Revoke a key, which stays in the list."""
    key = get_or_404(ApiKey, key_id)
    return run_and_redirect(key.revoke, f"Revoked API key '{key.name}'.", url_for("api_keys.index"))


@bp.post("/<int:key_id>/delete")
def delete(key_id: int) -> Response:
    """Delete a key."""
    key = get_or_404(ApiKey, key_id)
    return run_and_redirect(key.delete, f"Deleted API key '{key.name}'.", url_for("api_keys.index"))
