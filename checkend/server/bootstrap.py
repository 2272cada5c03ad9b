"""Checks before a start, and the messages it prints: the instance folder, and how to create the first admin."""

import logging
import os
import shlex
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from flask import Flask

from checkend import config
from checkend.config import PREFIX
from checkend.config.instance_secrets import delete_setup_token, read_or_create_setup_token
from checkend.config.unknown_variables import unknown_variables
from checkend.config.urls import local_url
from checkend.db.connection import DATABASE_FILE_NAME
from checkend.db.errors import DATABASE_ERRORS, driver_error
from checkend.db.instance_lock import InstanceLock, format_processes
from checkend.db.session import db
from checkend.exceptions import StartupError
from checkend.models.user import count_site_admins

SDK = "checkend"

log = logging.getLogger("checkend.start")


def reject_sdk_conflict() -> str:
    """Return a warning if the Python SDK is installed in this environment, else "".

    Raises `StartupError` if it is installed over this package.
    """
    try:
        sdk = metadata.distribution(SDK)
    except metadata.PackageNotFoundError:
        return ""
    sdk_folder, own_folder = Path(str(sdk.locate_file("checkend"))).resolve(), Path(__file__).resolve().parent.parent
    conflict = (
        f"the Python SDK (the distribution {SDK!r} {sdk.version}) is installed in this environment. It and the server "
        "are both imported as `checkend`, so each needs a virtual environment of its own"
    )
    if sdk_folder == own_folder:
        raise StartupError(f"{conflict}. Create a new one, and install only checkend-server in it.")
    return f"{conflict}; programs run here may get the wrong one."


def create_instance_folder(folder: Path) -> None:
    """Create the instance folder if necessary. Raises `StartupError` if it, or a file in it, is not writable."""
    advice = f"Make it writable, or choose another folder with {PREFIX}INSTANCE_PATH."
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(f"The instance folder {folder} cannot be created: {error.strerror}. {advice}") from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise StartupError(f"The instance folder {folder} is not writable. {advice}")
    for file in (folder / DATABASE_FILE_NAME, folder / "secret_key"):
        if file.exists() and not os.access(file, os.R_OK | os.W_OK):
            raise StartupError(
                f"Checkend may not read and write {file}. Change its permissions, or run Checkend as its owner."
            )


def require_database(folder: Path) -> None:
    """Raise `StartupError` if the instance folder does not exist or contains no database."""
    if not (folder / DATABASE_FILE_NAME).exists():
        missing = f"contains no database ({DATABASE_FILE_NAME})" if folder.is_dir() else "does not exist"
        raise StartupError(
            f"The instance folder {folder} {missing}. Check {PREFIX}INSTANCE_PATH; `checkend serve` creates a new one."
        )


def print_startup_messages(app: Flask, lock: InstanceLock) -> None:
    """Print misspelled variables, what happened to the database, other servers, and how to create the first admin.

    Prints nothing if only errors are logged.
    """
    if app.config["LOG_LEVEL"] == "error":
        return
    for warning in unknown_variables().values():
        notify_operator(app, warning, logging.WARNING)
    if app.config["STORE_STATE"] != "current":
        notify_operator(app, f"the database in {app.instance_path} was {app.config['STORE_STATE']}.")
    if lock.shared:
        notify_operator(
            app,
            f"another server{format_processes(lock.others)} uses this database too. That is safe, but each applies "
            "rate limits and the deduplication window on its own.",
            logging.WARNING,
        )
    try:
        _announce_setup(app)
    except (OSError, *DATABASE_ERRORS) as error:
        message = f"the database is unavailable ({driver_error(error)}). Until it is available, requests get 503."
        notify_operator(app, message, logging.ERROR)


def _announce_setup(app: Flask) -> None:
    with app.app_context():
        try:
            admins = count_site_admins()
        finally:
            db.session.remove()
    if admins:
        delete_setup_token(Path(app.instance_path))
    else:
        notify_operator(app, _setup_instructions(app), logging.WARNING)


def _setup_instructions(app: Flask) -> str:
    is_default = app.instance_path == str(config.instance_path({}))
    variable = "" if is_default else f"{PREFIX}INSTANCE_PATH={shlex.quote(app.instance_path)} "
    command = f"{variable}checkend user create you@example.com --site-admin"
    token = read_or_create_setup_token(Path(app.instance_path))
    if _logs_json(app):  # JSON logs are collected and kept, so the token, which grants admin rights, is not logged.
        return (
            f"there is no admin yet. Create the first one in the browser, at {_server_url(app)}/setup/TOKEN with the "
            f"TOKEN in the file {Path(app.instance_path) / 'setup_token'}, or with: {command}"
        )
    return (
        "there is no admin yet. Create the first one in the browser, once this server is running:\n"
        f"    {_server_url(app)}/setup/{token}\n"
        "or with:\n"
        f"    {command}"
    )


def _server_url(app: Flask) -> str:
    """Return the URL of this server. Only `checkend serve` knows its port; other WSGI servers do not report theirs."""
    if app.config["URL"]:
        return str(app.config["URL"])
    if app.config["SETTINGS"]["PORT"].source != "override":
        return "(the URL of this server)"
    return local_url(app.config["HOST"], app.config["PORT"])


def notify_operator(app: Flask, message: str, level: int = logging.INFO) -> None:
    """Print ``message`` to standard error, or log it where log lines are JSON."""
    if _logs_json(app):
        log.log(level, "%s", message)
    else:
        with suppress(OSError):  # such as a full disk, which must not prevent the start
            print(f"Checkend: {message}", file=sys.stderr, flush=True)


def _logs_json(app: Flask) -> bool:
    return bool(app.config["LOG_FORMAT"] == "json")
