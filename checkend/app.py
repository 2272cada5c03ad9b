"""The application factory."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from checkend import api, config, ingest, log, web
from checkend.db import instance_lock, schema
from checkend.db import session as db_session
from checkend.notifications import mail_queue
from checkend.retention import worker as retention_worker
from checkend.server import bootstrap, error_handlers, lifecycle, middleware, path_prefix, response_headers
from checkend.telemetry import routes as telemetry


class CheckendFlask(Flask):
    """Flask without asynchronous views: it need not look at every function before it calls it."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_app(settings: Mapping[str, Any] | None = None, *, instance_path: str | Path | None = None) -> Flask:
    """The Checkend server as a WSGI application, its store made or migrated if need be.

    ``settings`` go over the environment and ``config.py``, by name; ``instance_path`` over CHECKEND_INSTANCE_PATH.
    Raises `exceptions.StartupError`. Without arguments, as WSGI servers call it, the process counts as the server's
    own: it raises SystemExit with the reason instead, and the process is made to end cleanly on SIGTERM.
    """
    if settings is None and instance_path is None:
        return lifecycle.start(lambda: create_app({}))
    app = create_database_app(settings, instance_path=instance_path)
    lock = schema.acquire_instance_lock(schema.database_path(Path(app.instance_path)))
    middleware.register(app)
    error_handlers.register(app)
    response_headers.register(app)
    api.register(app)
    ingest.register(app, schema.database_path(Path(app.instance_path)))
    retention_worker.register(app)
    mail_queue.register(app)
    telemetry.register(app)
    web.register(app)
    path_prefix.register(app)
    db_session.register_flask_db(app, schema.MIGRATIONS)
    instance_lock.release_at_shutdown(app, lock)
    bootstrap.print_startup_messages(app, lock)
    return app


def create_database_app(
    settings: Mapping[str, Any] | None = None, *, instance_path: str | Path | None = None, must_exist: bool = False
) -> Flask:
    """What `create_app` makes before it serves: settings, logging and the store. For commands; takes the same.

    With ``must_exist`` nothing is created where there is no database. Raises `exceptions.StartupError`.
    """
    warning = bootstrap.reject_sdk_conflict()
    folder = Path(instance_path).resolve() if instance_path else config.instance_path()
    if must_exist:
        config.load(folder)  # a setting that is wrong comes first
        bootstrap.require_database(folder)
    bootstrap.create_instance_folder(folder)
    values = config.load(folder)
    config.override(values, settings or {})

    app = CheckendFlask("checkend", instance_path=str(folder), static_folder=None)
    app.config.from_mapping({name: value.value for name, value in values.items()})
    app.config["SETTINGS"] = values
    app.config["SECRET_KEY"] = app.config["SECRET_KEY"] or bootstrap.read_or_create_secret_key(folder)
    log.configure(app.config["LOG_LEVEL"], app.config["LOG_FORMAT"])
    if warning:
        bootstrap.notify_operator(app, warning, logging.WARNING)

    path = schema.database_path(folder)
    app.config["STORE_STATE"] = schema.create_or_migrate(path)
    db_session.init_database(app, path)
    return app
