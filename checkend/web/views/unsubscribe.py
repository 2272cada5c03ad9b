"""The links in notification mail that stop it without signing in, by hand or with one click in a mail program.

The signed token in the URL is the authorization: no cookie is used, so `checkend.web.security` requires no CSRF token,
which mail programs (RFC 8058) could not send.
"""

from flask import Blueprint, current_app, render_template, request

from checkend.db.transactions import write_transaction
from checkend.exceptions import ApiError
from checkend.models import App, NotificationPreference, User
from checkend.notifications.unsubscribe import read_token
from checkend.web.pages import Page

bp = Blueprint("unsubscribe", __name__)


@bp.route("/unsubscribe/<token>", methods=["GET", "POST"])
def show(token: str) -> Page:
    """Show a button that stops mail about an app; stop it on POST.

    GET changes nothing, because mail scanners follow links. POST does not redirect, as RFC 8058 demands.
    """
    user, app = _read_token(token)
    if request.method == "POST":
        with write_transaction():
            user, app = _read_token(token)  # again: either could have been deleted meanwhile
            NotificationPreference.set_level(user.id, app.id, "none")
    is_off = NotificationPreference.levels_of(user).get(app.id) == "none"
    return render_template("auth/unsubscribe.html", user=user, app=app, is_off=is_off)


def _read_token(token: str) -> tuple[User, App]:
    subject = read_token(current_app._get_current_object(), token)  # type: ignore[attr-defined]  # the app behind the proxy
    if subject is None:
        raise ApiError(
            404,
            "This link is incomplete, or the account or the app no longer exists. If you still get email, sign in and "
            "choose which email you get on your account page.",
        )
    return subject
