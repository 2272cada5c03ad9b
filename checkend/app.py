"""The application factory."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from checkend import api, config, ingest, log, web
from checkend.config.instance_secrets import read_or_create_secret_key
from checkend.db import schema
from checkend.db import session as db_session
from checkend.server import bootstrap, error_handlers, lifecycle, middleware, request_ids, response_headers
from checkend.server.middleware import InFlightCounter
from checkend.telemetry import routes as telemetry


class CheckendFlask(Flask):
    """Flask without asynchronous views, which saves it from inspecting every function before calling it."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_app(settings: Mapping[str, Any] | None = None, *, instance_path: str | Path | None = None) -> Flask:
    """Return the Checkend server as a WSGI application, after creating or migrating its database if necessary.

    ``settings``, by name, override the environment and ``config.py``; ``instance_path`` overrides
    CHECKEND_INSTANCE_PATH. Raises `exceptions.StartupError`.

    Without arguments, as WSGI servers call it, the process belongs to the app: it raises SystemExit with the reason
    instead, starts the retention worker, and makes the process end cleanly on SIGTERM.
    """
    if settings is None and instance_path is None:
        return lifecycle.start(lambda in_flight: _create_app({}, None, in_flight))
    return _create_app(settings, instance_path, None)


def _create_app(
    settings: Mapping[str, Any] | None, instance_path: str | Path | None, in_flight: InFlightCounter | None
) -> Flask:
    app = create_database_app(settings, instance_path=instance_path)
    services = lifecycle.create_services(app, schema.database_path(Path(app.instance_path)))
    middleware.install(app, services, in_flight)
    error_handlers.register(app)
    request_ids.register(app)
    response_headers.register(app)
    api.register(app)
    ingest.register(app)
    telemetry.register(app)
    web.register(app)
    db_session.register_flask_db(app, schema.MIGRATIONS)
    bootstrap.print_startup_messages(app, services.instance_lock)
    return app


def create_database_app(
    settings: Mapping[str, Any] | None = None, *, instance_path: str | Path | None = None, must_exist: bool = False
) -> Flask:
    """Return an app with settings, logging and the database, for commands: it has no routes and no services.

    The arguments are those of `create_app`. With ``must_exist``, do not create a database. Raises
    `exceptions.StartupError`.
    """
    warning = bootstrap.reject_sdk_conflict()
    folder = Path(instance_path).resolve() if instance_path else config.instance_path()
    if must_exist:
        config.load(folder)  # report an invalid setting first
        bootstrap.require_database(folder)
    bootstrap.create_instance_folder(folder)
    values = config.load(folder)
    config.override(values, settings or {})

    app = CheckendFlask("checkend", instance_path=str(folder), static_folder=None)
    app.config.from_mapping({name: value.value for name, value in values.items()})
    app.config["SETTINGS"] = values
    app.config["SECRET_KEY"] = app.config["SECRET_KEY"] or read_or_create_secret_key(folder)
    log.configure(app.config["LOG_LEVEL"], app.config["LOG_FORMAT"])
    if warning:
        bootstrap.notify_operator(app, warning, logging.WARNING)

    path = schema.database_path(folder)
    app.config["STORE_STATE"] = schema.create_or_migrate(path)
    db_session.init_database(app, path)
    return app
