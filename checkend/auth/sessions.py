"""Sessions of the dashboard, with Flask-Login. Each is a row of ``sessions``, so that it can be revoked.

The cookie contains the session's token. It is HttpOnly, SameSite=Lax and, over HTTPS, Secure. Requests of programs
(``/api/``, ``/ingest/``) have no session.
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
    """A user as Flask-Login knows it: a row of ``sessions``, identified by the token in its cookie."""

    def __init__(self, row: UserSession, token: str) -> None:
        self.row = row
        self.token = token

    def get_id(self) -> str:
        return self.token


class CookieSessions(SecureCookieSessionInterface):
    """Flask's signed cookie for browsers; no session for programs.

    Over HTTPS the cookie is Secure, and its name has a prefix (``__Host-`` or ``__Secure-``) with which browsers do
    not accept it from other hosts or over HTTP.
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
    """Return whether ``path`` is for programs with a key, which use no cookies, forms or pages."""
    return f"/{path.strip('/')}/".startswith(API_PREFIXES)


def register(app: Flask) -> None:
    """Set up sessions and Flask-Login on ``app``."""
    app.session_interface = CookieSessions()
    app.config.update(
        SESSION_COOKIE_NAME="checkend_session",
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=UserSession.IDLE_LIMIT,
    )
    manager = LoginManager()
    # Templates have their own `current_user`, which also works when the database does not.
    manager.init_app(app, add_context_processor=False)
    # The protection would end sessions whose client IP or user agent changes. Ours can be revoked instead.
    manager.session_protection = None
    manager.user_loader(_load)
    manager.unauthorized_handler(redirect_to_sign_in)


def _load(token: str) -> SessionUser | None:
    row = UserSession.with_token(token)
    if row is None or not row.is_live(session_lifetime()):
        return None
    if clock.now() - row.last_active_at >= LAST_ACTIVE_INTERVAL:
        _update_last_active(row.id)
    return SessionUser(row, token)


def _update_last_active(session_id: int) -> None:
    now = clock.now()
    stale = or_(UserSession.last_active_at.is_(None), UserSession.last_active_at <= now - LAST_ACTIVE_INTERVAL)
    client_ip = (request.remote_addr or "")[:100]
    try:
        with independent_write() as connection:
            statement = update(UserSession).where(UserSession.id == session_id, stale)
            connection.execute(statement.values(last_active_at=now, address=client_ip))
    except Exception as error:  # only a convenience: a full disk must not keep users from reading
        log.warning("could not record the use of session %d: %s", session_id, error)


def session_lifetime() -> timedelta:
    """Return how long a session lasts at most, even if it is used all the time."""
    return timedelta(days=current_app.config["SESSION_DAYS"])


def is_https() -> bool:
    """Return whether the browser uses HTTPS, according to the request, a trusted proxy or the setting ``URL``.

    A proxy that terminates TLS may not be trusted, or not send the header; an https:// URL states that there is one.
    """
    return bool(request.is_secure or current_app.config["URL"].startswith("https://"))


def current_user() -> User:
    """Return the signed-in user. Raise AttributeError if there is none, as in views that do not require sign-in."""
    user: User = session_user.row.user
    return user


def current_session() -> UserSession:
    """Return the session of the request. Raise AttributeError if there is none, as `current_user` does."""
    row: UserSession = session_user.row
    return row


def sign_in(user: User) -> None:
    """Start a session for ``user`` in this browser, and discard the previous content of the cookie."""
    row, token = UserSession.start(
        user, user_agent=request.headers.get("User-Agent", ""), address=request.remote_addr or ""
    )
    session.clear()
    session.permanent = True
    login_user(SessionUser(row, token))
    audit_log.record("sign_in.succeeded", user.label)


def sign_out() -> None:
    """Revoke the session of this browser."""
    current_session().revoke()
    logout_user()
    session.clear()


def redirect_to_sign_in() -> Response:
    """Return a redirect to the sign-in page, which redirects to the requested page afterwards.

    The data of a submitted form is lost: after sign-in, its page is shown again. A message says so.
    """
    if request.method in ("GET", "HEAD"):
        next_page: str | None = request.full_path.rstrip("?")
    else:
        next_page = page_of_form()
        flash("Your session has ended, so nothing was changed. Sign in and try again.", "warning")
    return redirect(url_for("sign_in.sign_in", next=next_page if next_page != "/" else None))


def page_of_form() -> str | None:
    """Return path and query of the page with the submitted form; None if the referrer is missing or another host."""
    page = urlsplit(request.referrer or "")
    if page.netloc != request.host or not page.path:
        return None
    path = "/" + page.path.lstrip("/\\")  # a URL that begins with two slashes refers to another host
    return path + (f"?{page.query}" if page.query else "")


def cookie_path() -> str:
    """Return the path of cookies: all of Checkend is below it, and nothing else."""
    return request.script_root or "/"
