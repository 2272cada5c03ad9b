"""The Management API under ``/api/v1``: one blueprint per resource."""

from flask import Flask
from flask.json.provider import DefaultJSONProvider
from werkzeug.routing import Map, UnicodeConverter


class RecordConverter(UnicodeConverter):
    """Matches ids and slugs, but no bulk action: ``problems/bulk_delete`` is a route of its own, not a problem's.

    Otherwise `OPTIONS` and a 405 would offer the methods of both.
    """

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map)
        self.regex = "(?!bulk_)[^/]+"


def register(app: Flask) -> None:
    """Register the blueprints of the API on ``app``. Responses keep the order of the schemas' fields."""
    from checkend.api import (
        api_key,
        app_tags,
        apps,
        audit_log,
        channels,
        conventions,
        health,
        idempotency,
        invitations,
        notice_feed,
        notices,
        notification_preferences,
        problem_statistics,
        problems,
        tags,
        team_apps,
        team_members,
        teams,
        users,
    )
    from checkend.api.openapi import routes as openapi

    conventions.register(app)
    app.url_map.converters["default"] = RecordConverter
    if isinstance(app.json, DefaultJSONProvider):
        app.json.sort_keys = False
    of_apps = (apps, app_tags, channels, problems, problem_statistics, notices, notice_feed, tags)
    of_users = (api_key, audit_log, teams, team_apps, team_members, invitations, users, notification_preferences)
    for module in (health, openapi, *of_apps, *of_users):
        # The prefix is needed because the dashboard has blueprints with the same names.
        app.register_blueprint(module.bp, url_prefix="/api/v1", name=f"api_{module.bp.name}")
    idempotency.register(app, [f"api_{module.bp.name}" for module in (*of_apps, *of_users)])
