"""One's own account: address, password, sessions."""

from flask import render_template

from checkend.auth.sessions import me, my_session
from checkend.models import UserSession
from checkend.web.pages import Page, signed_in_blueprint

bp = signed_in_blueprint("account", "/account")


@bp.get("")
def profile() -> Page:
    """One's address and password."""
    return render_template("account/profile.html")


@bp.get("/sessions")
def sessions() -> Page:
    """The browsers in which one is signed in."""
    return render_template("account/sessions.html", sessions=UserSession.of_user(me()), mine=my_session())
