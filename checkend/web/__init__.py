"""The dashboard."""

from flask import Flask

from checkend.auth import sessions, throttle
from checkend.web import (
    account,
    api_keys,
    apps,
    assets,
    connect,
    email_change,
    filters,
    home,
    invitations,
    notices,
    passwords,
    problem,
    problems,
    security,
    setup,
    sign_in,
    team_members,
    teams,
    text,
    theme,
    users,
)
from checkend.web.lookups import IdConverter

BLUEPRINTS = (
    setup.bp,
    sign_in.bp,
    passwords.bp,
    email_change.bp,
    theme.bp,
    account.bp,
    home.bp,
    problems.bp,
    problem.bp,
    notices.bp,
    apps.bp,
    connect.bp,
    teams.bp,
    team_members.bp,
    invitations.bp,
    invitations.public_bp,
    users.bp,
    api_keys.bp,
)


def register(app: Flask) -> None:
    """Register the dashboard's blueprints, and what all its pages share, on ``app``."""
    app.template_folder = "web/templates"
    app.url_map.converters["int"] = IdConverter
    assets.register(app)
    security.register(app)
    sessions.register(app)
    throttle.register(app)
    filters.register(app)
    text.register(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
