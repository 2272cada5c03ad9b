"""Template filters for times and numbers, and the variables that all templates have."""

from datetime import UTC, datetime
from typing import Any

from flask import Flask, request
from flask_login import current_user as session_user
from flask_wtf.csrf import generate_csrf
from sqlalchemy.exc import DBAPIError

from checkend import clock
from checkend.auth.roles import Capability, Subject, can
from checkend.models import User
from checkend.web.presenters.mutes import describe_mute, muted_by

MINUTE, HOUR, DAY = 60, 3600, 86400
THEMES = ("auto", "light", "dark")


def register(app: Flask) -> None:
    """Register the template filters and the context of all templates on ``app``."""
    app.add_template_filter(relative_time)
    app.add_template_filter(exact_time)
    app.add_template_filter(thousands)
    app.add_template_filter(describe_mute)
    app.add_template_filter(muted_by)
    app.context_processor(_template_context)


def _template_context() -> dict[str, Any]:
    try:
        user: User | None = session_user.row.user if session_user and session_user.is_authenticated else None
    except DBAPIError:  # the page that reports an unavailable database must not need the database
        user = None

    def user_can(capability: str, subject: Subject = None) -> bool:
        return user is not None and can(user, Capability(capability), subject)

    theme = request.cookies.get("theme", "auto")
    return {
        "can": user_can,
        "current_user": user,
        "theme": theme if theme in THEMES else "auto",
        "csrf_token": generate_csrf,
    }


def relative_time(time: datetime, now: datetime | None = None) -> str:
    """Return ``just now``, ``5 min ago``, ``3 h ago`` or ``2 days ago``; from 30 days on the date.

    Future times read ``in 5 min``.
    """
    seconds = int(((now or clock.now()) - time).total_seconds())
    distance = abs(seconds)
    if distance < MINUTE:
        return "just now" if seconds >= 0 else "in a few seconds"
    if distance < HOUR:
        amount = f"{distance // MINUTE} min"
    elif distance < DAY:
        amount = f"{distance // HOUR} h"
    elif distance < 30 * DAY:
        days = distance // DAY
        amount = "1 day" if days == 1 else f"{days} days"
    else:
        return time.astimezone(UTC).strftime("%-d %b %Y")
    return f"{amount} ago" if seconds >= 0 else f"in {amount}"


def exact_time(time: datetime) -> str:
    """Return ``time`` in UTC, such as ``2024-01-15 10:30:05 UTC``."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def thousands(number: int) -> str:
    """Return ``number`` with thousands separators, such as ``12,345``."""
    return f"{number:,}"
