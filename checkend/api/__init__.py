"""The Management API under ``/api/v1``: one blueprint per resource."""

from flask import Flask
from flask.json.provider import DefaultJSONProvider


def register(app: Flask) -> None:
    """Register the blueprints of the API on ``app``. Responses keep the order of the schemas' fields."""
    from checkend.api import (
        apps,
        channels,
        conventions,
        health,
        notice_feed,
        notices,
        problems,
        tags,
        team_apps,
        team_members,
        teams,
        users,
    )
    from checkend.api.openapi import routes as openapi

    conventions.register(app)
    if isinstance(app.json, DefaultJSONProvider):
        app.json.sort_keys = False
    resources = (apps, channels, problems, notices, notice_feed, tags, teams, team_apps, team_members, users)
    for module in (health, openapi, *resources):
        # The prefix is needed because the dashboard has blueprints with the same names.
        app.register_blueprint(module.bp, url_prefix="/api/v1", name=f"api_{module.bp.name}")
