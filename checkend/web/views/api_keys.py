"""Keys of the Management API, for site admins."""

from datetime import UTC, datetime, time
from itertools import groupby
from typing import Any

from flask import render_template, url_for
from werkzeug.wrappers import Response
from wtforms import DateField, SelectMultipleField, StringField
from wtforms.validators import Optional

from checkend.auth.permissions import ALL_PERMISSIONS, Permission
from checkend.auth.roles import Capability, require
from checkend.auth.sessions import current_user
from checkend.db.transactions import commit
from checkend.models import ApiKey
from checkend.web.forms import Form
from checkend.web.lookups import get_or_404
from checkend.web.one_time_secrets import pop_secret, redirect_with_secret
from checkend.web.pages import Page, run_and_redirect, signed_in_blueprint
from checkend.web.urls import public_url

bp = signed_in_blueprint("api_keys", "/api-keys")


class ApiKeyForm(Form):
    """A new key. What is allowed, `ApiKey.create` says."""

    name = StringField("Name")
    permissions = SelectMultipleField("Permissions", choices=list(ALL_PERMISSIONS))
    expires_on = DateField("Expires after", [Optional()])

    @property
    def expires_at(self) -> datetime | None:
        """The end of the day that was chosen, in UTC."""
        return datetime.combine(self.expires_on.data, time.max, UTC) if self.expires_on.data else None


@bp.get("")
def index() -> Page:
    """All keys, newest first."""
    require(current_user(), Capability.MANAGE_API_KEYS)
    return render_template("api_keys/index.html", keys=ApiKey.newest_first())


@bp.route("/new", methods=["GET", "POST"])
def create() -> Any:
    """Create a key, and redirect to the page that shows its value once."""
    require(current_user(), Capability.MANAGE_API_KEYS)
    form = ApiKeyForm()
    if form.validate_on_submit():
        made = form.attempt(lambda: ApiKey.create(form.name.data or "", form.permissions.data or [], form.expires_at))
        if made:
            commit()
            key, value = made
            return redirect_with_secret(url_for("api_keys.created", key_id=key.id), value=value)
    return render_template("api_keys/new.html", form=form, resources=_resources()), form.status


@bp.get("/<int:key_id>/created")
def created(key_id: int) -> Page:
    """Show the value of a key that was just created, and after a reload where it went."""
    require(current_user(), Capability.MANAGE_API_KEYS)
    key, value = get_or_404(ApiKey, key_id), pop_secret().get("value")
    return render_template("api_keys/created.html", key=key, value=value, address=public_url())


@bp.post("/<int:key_id>/revoke")
def revoke(key_id: int) -> Response:
    """Refuse a key from now on, and keep it for the record."""
    require(current_user(), Capability.MANAGE_API_KEYS)
    key = get_or_404(ApiKey, key_id)
    return run_and_redirect(key.revoke, f"{key.name} is revoked.", url_for("api_keys.index"))


@bp.post("/<int:key_id>/delete")
def delete(key_id: int) -> Response:
    """Delete a key without a trace."""
    require(current_user(), Capability.MANAGE_API_KEYS)
    key = get_or_404(ApiKey, key_id)
    return run_and_redirect(key.delete, f"{key.name} is deleted.", url_for("api_keys.index"))


def _resources() -> list[tuple[str, dict[str, Permission]]]:
    """Each resource with its permissions by action, in the order of `Permission`."""
    by_resource = groupby(Permission, lambda permission: permission.partition(":")[0])
    return [(name, {p.partition(":")[2]: p for p in permissions}) for name, permissions in by_resource]
