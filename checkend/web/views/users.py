"""Users, for site admins."""

import secrets
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from sqlalchemy import func, select
from werkzeug.wrappers import Response
from wtforms import BooleanField, EmailField

from checkend.auth import password_reset
from checkend.auth.roles import Capability, require
from checkend.auth.sessions import current_user
from checkend.db.session import db
from checkend.db.transactions import commit
from checkend.models import User
from checkend.models.user import NewPassword
from checkend.schemas.user import UserSchema
from checkend.web.forms import Form, SchemaValidator
from checkend.web.lookups import user_for
from checkend.web.one_time_secrets import pop_secret, redirect_with_secret
from checkend.web.pages import Page, page_number, run_and_redirect, signed_in_blueprint
from checkend.web.urls import full_url

bp = signed_in_blueprint("users", "/users", ability=Capability.MANAGE_USERS)
PER_PAGE = 50


class NewUserForm(Form):
    """A new user, who sets their own password with a link."""

    email_address = EmailField("Email address", [SchemaValidator(UserSchema, "email_address")])
    site_admin = BooleanField("Site admin: may do everything on this server")


@bp.get("")
def index() -> Page:
    """List the users, newest first; ``?search=`` narrows to a part of the email address.

    After a redirect from `_show_link` the page shows that password link, once.
    """
    require(current_user(), Capability.MANAGE_USERS)
    return _page(NewUserForm(formdata=None), pop_secret())


@bp.post("")
def create() -> Page | Response:
    """Create a user, and show the link with which they set their password."""
    nobody_knows = NewPassword(secrets.token_urlsafe(32))  # slow: before the first question takes the write lock
    require(current_user(), Capability.MANAGE_USERS)
    form = NewUserForm()
    if not form.validate():
        return _page(form)
    user = form.attempt(lambda: User.create(form.email_address.data, nobody_knows, site_admin=form.site_admin.data))
    if user is None:
        return _page(form)
    commit()
    return _show_link(user)


@bp.post("/<slug>/password-link")
def password_link(slug: str) -> Response:
    """Create a link with which a user sets a new password, and show it."""
    return _show_link(user_for(slug))


@bp.post("/<slug>/site-admin")
def set_site_admin(slug: str) -> Response:
    """Grant or remove site admin; refused for the last one."""
    user = user_for(slug)
    grant = request.form.get("grant") == "yes"
    if user is current_user():
        flash("Another site admin has to do that to you.", "error")
        return redirect(url_for("users.index"))
    done = f"{user.email_address} is {'now' if grant else 'no longer'} a site admin."
    return run_and_redirect(lambda: user.set_site_admin(grant), done, url_for("users.index"))


@bp.post("/<slug>/delete")
def delete(slug: str) -> Response:
    """Delete a user; refused for the last site admin, and for who owns or leads teams."""
    user = user_for(slug)
    if user is current_user():
        flash("Another site admin has to do that to you.", "error")
        return redirect(url_for("users.index"))
    return run_and_redirect(user.delete, f"{user.email_address} is deleted.", url_for("users.index"))


def _show_link(user: User) -> Response:
    """Redirect to the list of users, which shows a new password link of ``user`` once."""
    link = full_url("passwords.renew", token=password_reset.create_token(user))
    return redirect_with_secret(url_for("users.index"), email_address=user.email_address, link=link)


def _page(form: NewUserForm, linked: dict[str, Any] | None = None) -> Page:
    search, page = request.args.get("search", "").strip(), page_number()
    found = User.with_part(search)
    total = db.session.scalar(select(func.count()).select_from(found.subquery())) or 0
    users = db.session.scalars(found.limit(PER_PAGE).offset((page - 1) * PER_PAGE)).all()
    listing = {"users": users, "total": total, "page": page, "per_page": PER_PAGE, "search": search}
    return render_template("users/index.html", form=form, linked=linked, **listing), form.status
