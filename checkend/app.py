"""The application factory."""

from collections.abc import Mapping
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
    requests_log,
    store_version,
    web,
)


def create_app(settings: Mapping[str, Any] | None = None, *, instance_path: str | Path | None = None) -> Flask:
    """The Checkend server as a WSGI application, its store made or migrated if need be.

    ``settings`` go over the environment and ``config.py``, by name; ``instance_path`` over CHECKEND_INSTANCE_PATH.
    Raises `config.SettingError`, `store_version.StoreRefused`, and OSError for a folder that cannot be made.
    """
    folder = Path(instance_path).resolve() if instance_path else config.instance_path()
    folder.mkdir(parents=True, exist_ok=True)
    values = config.load(folder)
    config.override(values, settings or {})

    app = Flask("checkend", instance_path=str(folder), static_folder=None)
    app.config.from_mapping({name: value.value for name, value in values.items()})
    app.config["SETTINGS"] = values
    app.config["SECRET_KEY"] = app.config["SECRET_KEY"] or first_start.secret_key(folder)
    log.configure(app.config["LOG_LEVEL"], app.config["LOG_FORMAT"])

    path = store_version.store_path(folder)
    state = store_version.prepare(path)
    extensions.init_database(app, path)
    requests_log.register(app)
    errors.register(app)
    api.register(app)
    ingest.register(app, path)
    web.register(app)
    first_start.announce(app, state)
    return app
