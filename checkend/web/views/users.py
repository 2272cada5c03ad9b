"""Users, for site admins."""

import secrets
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from sqlalchemy import func, select
from werkzeug.wrappers import Response
from wtforms import BooleanField, EmailField

from checkend.auth import password_reset
from checkend.auth.roles import Capability
from checkend.auth.sessions import current_user
from checkend.config.urls import full_url
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.models import User
from checkend.models.user import NewPassword
from checkend.schemas.user import UserSchema
from checkend.web.forms import Form, SchemaValidator
from checkend.web.lookups import user_for
from checkend.web.one_time_secrets import pop_secret, redirect_with_secret
from checkend.web.pages import Page, page_number, run_and_redirect, signed_in_blueprint

bp = signed_in_blueprint("users", "/users", capability=Capability.MANAGE_USERS)
PER_PAGE = 50


class NewUserForm(Form):
    """A new user. The password is set later, with a link."""

    email_address = EmailField("Email address", [SchemaValidator(UserSchema, "email_address")])
    site_admin = BooleanField("Site admin (can do everything on this server)")


@bp.get("")
def index() -> Page:
    """List the users, newest first; ``?search=`` filters by a part of the email address.

    After a redirect from `_redirect_with_link` the page shows that password link once.
    """
    return _users_page(NewUserForm(formdata=None), pop_secret())


@bp.post("")
def create() -> Page | Response:
    """Create a user with a random password, and show the link to set another one."""
    form = NewUserForm()
    if form.validate():
        password = NewPassword(secrets.token_urlsafe(32))  # slow: before the write lock is taken
        with form.catch_domain_errors():
            with write_transaction():
                user = User.create(form.email_address.data, password, site_admin=form.site_admin.data)
            return _redirect_with_link(user)
    return _users_page(form)


@bp.post("/<slug>/password-link")
def password_link(slug: str) -> Response:
    """Create a link to set a user's password, and show it."""
    return _redirect_with_link(user_for(slug))


@bp.post("/<slug>/site-admin")
def set_site_admin(slug: str) -> Response:
    """Grant or remove site admin. The last site admin cannot be removed."""
    user = user_for(slug)
    grant = request.form.get("grant") == "yes"
    if user is current_user():
        flash("You cannot change your own role. Ask another site admin.", "error")
        return redirect(url_for("users.index"))
    message = f"{user.email_address} is {'now' if grant else 'no longer'} a site admin."
    return run_and_redirect(lambda: user.set_site_admin(grant), message, url_for("users.index"))


@bp.post("/<slug>/delete")
def delete(slug: str) -> Response:
    """Delete a user, except the last site admin and those who own a team or are its last admin."""
    user = user_for(slug)
    if user is current_user():
        flash("You cannot delete your own account. Ask another site admin.", "error")
        return redirect(url_for("users.index"))
    return run_and_redirect(user.delete, f"Deleted user {user.email_address}.", url_for("users.index"))


def _redirect_with_link(user: User) -> Response:
    """Redirect to the list of users, which shows a new password link for ``user`` once."""
    link = full_url("passwords.renew", token=password_reset.create_token(user))
    return redirect_with_secret(url_for("users.index"), email_address=user.email_address, link=link)


def _users_page(form: NewUserForm, password_link: dict[str, Any] | None = None) -> Page:
    search, page = request.args.get("search", "").strip(), page_number()
    statement = User.search(search)
    total = db.session.scalar(select(func.count()).select_from(statement.subquery())) or 0
    users = db.session.scalars(statement.limit(PER_PAGE).offset((page - 1) * PER_PAGE)).all()
    html = render_template(
        "users/index.html",
        form=form,
        password_link=password_link,
        users=users,
        total=total,
        page=page,
        per_page=PER_PAGE,
        search=search,
    )
    return html, form.status
