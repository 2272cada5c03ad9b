"""The application factory."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from checkend import (
    api,
    config,
    errors,
    extensions,
    first_start,
    ingest,
    log,
    monitoring,
    path_prefix,
    process,
    requests_log,
    response_headers,
    retention_thread,
    server_lock,
    store_version,
    web,
)
from checkend.notifications import mail_queue


class Server(Flask):
    """Flask without asynchronous views: it need not look at every function before it calls it."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_app(settings: Mapping[str, Any] | None = None, *, instance_path: str | Path | None = None) -> Flask:
    """The Checkend server as a WSGI application, its store made or migrated if need be.

    ``settings`` go over the environment and ``config.py``, by name; ``instance_path`` over CHECKEND_INSTANCE_PATH.
    Raises `config.CannotStart`. Without arguments, as WSGI servers call it, the process counts as the server's own:
    it raises SystemExit with the reason instead, and the process is made to end cleanly on SIGTERM.
    """
    if settings is None and instance_path is None:
        return process.start(lambda: create_app({}))
    app = create_store_app(settings, instance_path=instance_path)
    lock = store_version.lock_for_serving(store_version.store_path(Path(app.instance_path)))
    requests_log.register(app)
    errors.register(app)
    response_headers.register(app)
    api.register(app)
    ingest.register(app, store_version.store_path(Path(app.instance_path)))
    retention_thread.register(app)
    mail_queue.register(app)
    monitoring.register(app)
    web.register(app)
    path_prefix.register(app)
    extensions.register_flask_db(app, store_version.MIGRATIONS)
    server_lock.release_at_shutdown(app, lock)
    first_start.announce(app, lock)
    return app


def create_store_app(
    settings: Mapping[str, Any] | None = None, *, instance_path: str | Path | None = None, must_exist: bool = False
) -> Flask:
    """What `create_app` makes before it serves: settings, logging and the store. For commands; takes the same.

    With ``must_exist`` nothing is created where there is no database. Raises `config.CannotStart`.
    """
    warning = first_start.refuse_beside_sdk()
    folder = Path(instance_path).resolve() if instance_path else config.instance_path()
    if must_exist:
        config.load(folder)  # a setting that is wrong comes first
        first_start.require_database(folder)
    first_start.make_folder(folder)
    values = config.load(folder)
    config.override(values, settings or {})

    app = Server("checkend", instance_path=str(folder), static_folder=None)
    app.config.from_mapping({name: value.value for name, value in values.items()})
    app.config["SETTINGS"] = values
    app.config["SECRET_KEY"] = app.config["SECRET_KEY"] or first_start.secret_key(folder)
    log.configure(app.config["LOG_LEVEL"], app.config["LOG_FORMAT"])
    if warning:
        first_start.say(app, warning, logging.WARNING)

    path = store_version.store_path(folder)
    app.config["STORE_STATE"] = store_version.prepare(path)
    extensions.init_database(app, path)
    return app
