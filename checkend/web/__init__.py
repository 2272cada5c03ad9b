"""The dashboard."""

from flask import Flask

from checkend.auth import sessions
from checkend.web import account, assets, filters, home, notices, problem, problems, security, sign_in, text, theme

BLUEPRINTS = (sign_in.bp, account.bp, theme.bp, home.bp, problems.bp, problem.bp, notices.bp)


def register(app: Flask) -> None:
    """Register the dashboard's blueprints, and what all its pages share, on ``app``."""
    app.template_folder = "web/templates"
    assets.register(app)
    security.register(app)
    sessions.register(app)
    filters.register(app)
    text.register(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
