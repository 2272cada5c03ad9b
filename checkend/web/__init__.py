"""The dashboard."""

from flask import Flask

from checkend.auth import sessions
from checkend.web import assets, filters, sanitize, security
from checkend.web.lookups import IdConverter
from checkend.web.views import (
    account,
    alerts,
    api_keys,
    api_reference,
    apps,
    audit_log,
    connect,
    email_change,
    home,
    invitations,
    live,
    mail,
    notices,
    passwords,
    problem,
    problems,
    setup,
    sign_in,
    team_members,
    teams,
    theme,
    unsubscribe,
    users,
)

BLUEPRINTS = (
    setup.bp,
    sign_in.bp,
    passwords.bp,
    email_change.bp,
    theme.bp,
    account.bp,
    home.bp,
    live.bp,
    problems.bp,
    problem.bp,
    notices.bp,
    apps.bp,
    connect.bp,
    alerts.bp,
    unsubscribe.bp,
    teams.bp,
    team_members.bp,
    invitations.bp,
    invitations.public_bp,
    users.bp,
    mail.bp,
    api_keys.bp,
    audit_log.bp,
    api_reference.bp,
)


def register(app: Flask) -> None:
    """Register the dashboard on ``app``: its blueprints, assets, sessions, template filters and protections."""
    app.template_folder = "web/templates"
    app.url_map.converters["int"] = IdConverter
    assets.register(app)
    security.register(app)
    sessions.register(app)
    filters.register(app)
    sanitize.register(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
