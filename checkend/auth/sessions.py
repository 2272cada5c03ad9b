"""Who looks at the dashboard: Flask-Login, whose id is the token of a row of ``sessions``, so that each can be revoked.

The cookie is HttpOnly, SameSite=Lax, and Secure over HTTPS. Programs (``/api/``, ``/ingest/``)
get no session at all.
"""

import logging
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Request, current_app, flash, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from flask_login import LoginManager, UserMixin, login_user, logout_user
from flask_login import current_user as session_user
from sqlalchemy import or_, update
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from checkend import clock
from checkend.db.transactions import independent_write
from checkend.models import User, UserSession, audit_log

LAST_ACTIVE_INTERVAL = timedelta(minutes=1)
API_PREFIXES = ("/api/", "/ingest/")

log = logging.getLogger("checkend.auth")


class SessionUser(UserMixin):  # type: ignore[misc]  # Flask-Login ships no types
    """Flask-Login's idea of a user: a row of ``sessions`` and the token that its cookie holds."""

    def __init__(self, row: UserSession, token: str) -> None:
        self.row = row
        self.token = token

    def get_id(self) -> str:
        return self.token


class CookieSessions(SecureCookieSessionInterface):
    """Flask's signed cookie, and none for programs.

    Over HTTPS it is Secure, and its name has a prefix that has browsers refuse it from other hosts and over HTTP.
    """

    def open_session(self, app: Flask, request: Request) -> Any:
        if is_api_path(request.path):
            return self.make_null_session(app)
        return super().open_session(app, request)

    def get_cookie_name(self, app: Flask) -> str:
        name: str = app.config["SESSION_COOKIE_NAME"]
        if not is_https():
            return name
        return f"__Host-{name}" if self.get_cookie_path(app) == "/" else f"__Secure-{name}"

    def get_cookie_path(self, app: Flask) -> str:
        return cookie_path()

    def get_cookie_secure(self, app: Flask) -> bool:
        return is_https()


def is_api_path(path: str) -> bool:
    """Whether ``path`` is asked by programs with a key: no cookies, no forms, no pages."""
    return f"/{path.strip('/')}/".startswith(API_PREFIXES)


def register(app: Flask) -> None:
    """Make Flask-Login's and this module's `current_user` work on ``app``."""
    app.session_interface = CookieSessions()
    app.config.update(
        SESSION_COOKIE_NAME="checkend_session",
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=UserSession.IDLE_LIMIT,
    )
    manager = LoginManager()
    manager.init_app(app, add_context_processor=False)  # templates have `current_user`, which outlives a failing store
    manager.session_protection = None  # a row that can be revoked protects better than a changed address
    manager.user_loader(_load)
    manager.unauthorized_handler(redirect_to_sign_in)


def _load(token: str) -> SessionUser | None:
    row = UserSession.with_token(token)
    if row is None or not row.is_live(session_lifetime()):
        return None
    if clock.now() - row.last_active_at >= LAST_ACTIVE_INTERVAL:
        _update_last_active(row.id)
    return SessionUser(row, token)


def _update_last_active(row_id: int) -> None:
    now = clock.now()
    stale = or_(UserSession.last_active_at.is_(None), UserSession.last_active_at <= now - LAST_ACTIVE_INTERVAL)
    address = (request.remote_addr or "")[:100]
    try:
        with independent_write() as connection:
            statement = update(UserSession).where(UserSession.id == row_id, stale)
            connection.execute(statement.values(last_active_at=now, address=address))
    except Exception as error:  # the stamp is a convenience: a full disk must not stop reading
        log.warning("the use of session %d could not be noted: %s", row_id, error)


def session_lifetime() -> timedelta:
    """How long a session lasts at most, however active it is."""
    return timedelta(days=current_app.config["SESSION_DAYS"])


def is_https() -> bool:
    """Whether the browser uses HTTPS: as the request or a trusted proxy says, or the setting ``URL``.

    A proxy that ends TLS may not be trusted, or not say so; an https:// URL is the operator's word that there is one.
    """
    return bool(request.is_secure or current_app.config["URL"].startswith("https://"))


def current_user() -> User:
    """The user who is signed in. Only for views behind sign-in; raises AttributeError elsewhere."""
    user: User = session_user.row.user
    return user


def current_session() -> UserSession:
    """The row of the session that this request came with; as `current_user`, only behind sign-in."""
    row: UserSession = session_user.row
    return row


def sign_in(user: User) -> None:
    """Start a session for ``user`` in this browser; what the cookie held before is forgotten."""
    row, token = UserSession.start(
        user, user_agent=request.headers.get("User-Agent", ""), address=request.remote_addr or ""
    )
    session.clear()
    session.permanent = True
    login_user(SessionUser(row, token))
    audit_log.record("sign_in.succeeded", user.label)


def sign_out() -> None:
    """End this browser's session for good."""
    current_session().revoke()
    logout_user()
    session.clear()


def redirect_to_sign_in() -> Response:
    """Return a redirect to the sign-in page, which leads back to the page asked for afterwards.

    The data of a form that was sent is lost: after sign-in its page is shown again, and the sign-in page says so.
    """
    if request.method in ("GET", "HEAD"):
        going: str | None = request.full_path.rstrip("?")
    else:
        going = page_of_form()
        flash("Your session has ended, so nothing was changed. Sign in and try again.", "warning")
    return redirect(url_for("sign_in.sign_in", next=going if going != "/" else None))


def page_of_form() -> str | None:
    """Return path and query of the page of this server that sent the form, where the browser says which it was."""
    page = urlsplit(request.referrer or "")
    if page.netloc != request.host or not page.path:
        return None
    path = "/" + page.path.lstrip("/\\")  # two slashes would begin the address of another host
    return path + (f"?{page.query}" if page.query else "")


def cookie_path() -> str:
    """Return the path of cookies that are set by this request: below it is all of Checkend, and nothing else."""
    return request.script_root or "/"
