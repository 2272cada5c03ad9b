"""What templates may call: times in words, and who may do what."""

from datetime import UTC, datetime
from typing import Any

from flask import Flask, current_app, request
from flask_login import current_user as session_user
from flask_wtf.csrf import generate_csrf
from sqlalchemy.exc import DBAPIError

from checkend import clock
from checkend.auth.roles import Capability, Subject, can
from checkend.models import User

MINUTE, HOUR, DAY = 60, 3600, 86400
THEMES = ("auto", "light", "dark")


def register(app: Flask) -> None:
    """Give the templates of ``app`` their filters, and ``can``, ``Capability``, ``current_user``, ``theme``."""
    app.add_template_filter(relative_time)
    app.add_template_filter(exact_time)
    app.add_template_filter(thousands)
    app.context_processor(_shared)


def _shared() -> dict[str, Any]:
    user = _user()

    def may(ability: str, subject: Subject = None) -> bool:
        return user is not None and can(user, Capability(ability), subject)

    theme = request.cookies.get("theme", "auto")
    return {
        "can": may,
        "Capability": Capability,
        "current_user": user,
        "theme": theme if theme in THEMES else "auto",
        "csrf_token": generate_csrf,
        "served": is_served,
    }


def _user() -> User | None:
    try:
        return session_user.row.user if session_user and session_user.is_authenticated else None
    except DBAPIError:  # the page that says so must not fail of it
        return None


def is_served(endpoint: str) -> bool:
    """Whether a page is registered under this endpoint."""
    return endpoint in current_app.view_functions


def relative_time(moment: datetime, now: datetime | None = None) -> str:
    """``moment`` as people say it: ``just now``, ``5 min ago``, ``3 h ago``, ``2 days ago``, else its date.

    A moment that lies ahead reads ``in 5 min``.
    """
    seconds = int(((now or clock.now()) - moment).total_seconds())
    size = abs(seconds)
    if size < MINUTE:
        return "just now" if seconds >= 0 else "in a moment"
    if size < HOUR:
        amount = f"{size // MINUTE} min"
    elif size < DAY:
        amount = f"{size // HOUR} h"
    elif size < 30 * DAY:
        days = size // DAY
        amount = "1 day" if days == 1 else f"{days} days"
    else:
        return moment.astimezone(UTC).strftime("%-d %b %Y")
    return f"{amount} ago" if seconds >= 0 else f"in {amount}"


def exact_time(moment: datetime) -> str:
    """``2024-01-15 10:30:05 UTC``"""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def thousands(number: int) -> str:
    """``12,345``"""
    return f"{number:,}"
