"""What a start needs and makes: the instance folder, the secret key, and how to make the first admin."""

import logging
import os
import secrets
import shlex
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from flask import Flask

from checkend import config
from checkend.config import PREFIX
from checkend.config.unknown_variables import unknown_variables
from checkend.db.connection import DATABASE_FILE_NAME
from checkend.db.errors import DATABASE_ERRORS
from checkend.db.instance_lock import InstanceLock, format_processes
from checkend.db.session import db
from checkend.exceptions import StartupError
from checkend.models.user import count_site_admins

SDK = "checkend"

log = logging.getLogger("checkend.start")


def reject_sdk_conflict() -> str:
    """Raises `StartupError` where the Python SDK is installed over this package; a warning where it is only near."""
    try:
        sdk = metadata.distribution(SDK)
    except metadata.PackageNotFoundError:
        return ""
    theirs, ours = Path(str(sdk.locate_file("checkend"))).resolve(), Path(__file__).resolve().parent.parent
    say = (
        f"the Python SDK (the distribution {SDK!r} {sdk.version}) is installed in this environment. It and the server "
        "are both imported as `checkend`, so each needs a virtual environment of its own"
    )
    if theirs == ours:
        raise StartupError(f"{say}. Make a new one, and install only checkend-server there.")
    return f"{say}; programs run here may get the wrong one."


def create_instance_folder(folder: Path) -> None:
    """Make the instance folder if need be. Raises `StartupError` when it, or the store in it, cannot be written."""
    advice = f"Make it writable, or name another folder with {PREFIX}INSTANCE_PATH."
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(f"The instance folder {folder} cannot be made: {error.strerror}. {advice}") from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise StartupError(f"The instance folder {folder} cannot be written. {advice}")
    for file in (folder / DATABASE_FILE_NAME, folder / "secret_key"):
        if file.exists() and not os.access(file, os.R_OK | os.W_OK):
            raise StartupError(f"{file} cannot be read and written. Mend its permissions, or run as its owner.")


def require_database(folder: Path) -> None:
    """Raise `StartupError` where the instance folder holds no database, before anything is created there."""
    if not (folder / DATABASE_FILE_NAME).exists():
        missing = f"holds no database ({DATABASE_FILE_NAME})" if folder.is_dir() else "does not exist"
        raise StartupError(
            f"The instance folder {folder} {missing}. Check {PREFIX}INSTANCE_PATH; `checkend serve` creates a new one."
        )


def read_or_create_secret_key(folder: Path) -> str:
    """The instance's secret key, made on the first start. Raises `StartupError` when its file holds a short one."""
    try:
        key = _read_or_create_secret(folder / "secret_key")
    except OSError as error:
        raise StartupError(f"{folder / 'secret_key'} cannot be read or written: {error.strerror}.") from error
    if not key:
        raise StartupError(
            f"{folder / 'secret_key'} is empty. Delete it: a new key is made then, everyone signs in again."
        )
    if len(key) < config.MIN_SECRET_LENGTH:
        raise StartupError(
            f"The key in {folder / 'secret_key'} is shorter than {config.MIN_SECRET_LENGTH} characters, and could be "
            "guessed. Delete the file: a new key is made then, everyone signs in again."
        )
    return key


def read_or_create_setup_token(folder: Path) -> str:
    """What opens the setup page in the dashboard, the same until there is a site admin."""
    return _read_or_create_secret(folder / "setup_token")


def delete_setup_token(folder: Path) -> None:
    """Remove the setup token, once there is a site admin."""
    (folder / "setup_token").unlink(missing_ok=True)


def _read_or_create_secret(path: Path) -> str:
    """The secret in the file at ``path``, made if need be; only its owner may read the file."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(48) + "\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # another process made it meanwhile: its key stands
                os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    return path.read_text().strip()


def print_startup_messages(app: Flask, lock: InstanceLock) -> None:
    """Say with `notify_operator` which variables have no effect, what this start made, what else runs, how to make the
    first admin.

    Where only errors are to be logged, nothing is said.
    """
    if app.config["LOG_LEVEL"] == "error":
        return
    for warning in unknown_variables().values():
        notify_operator(app, warning, logging.WARNING)
    if app.config["STORE_STATE"] != "current":
        notify_operator(app, f"the store in {app.instance_path} was {app.config['STORE_STATE']}.")
    if lock.shared:
        notify_operator(
            app,
            f"another server{format_processes(lock.others)} uses this store too. That is safe, but each counts rate "
            "limits "
            "and the window for duplicates on its own.",
            logging.WARNING,
        )
    try:
        _announce_setup(app)
    except (OSError, *DATABASE_ERRORS) as error:
        reason = getattr(error, "orig", error)
        notify_operator(
            app, f"the database cannot be used now ({reason}). Requests get 503 until it can.", logging.ERROR
        )


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
    usual = app.instance_path == str(config.instance_path({}))
    setting = "" if usual else f"{PREFIX}INSTANCE_PATH={shlex.quote(app.instance_path)} "
    token = read_or_create_setup_token(Path(app.instance_path))
    if _logs_json(app):  # logs are collected and kept: the token, which makes an admin, stays out of them
        return (
            f"there is no admin yet. Make the first one in the browser, at {_server_url(app)}/setup/TOKEN with the "
            "TOKEN "
            f"in the file {Path(app.instance_path) / 'setup_token'}, "
            f"or with: {setting}checkend user create you@example.com --site-admin"
        )
    return (
        "there is no admin yet. Make the first one in the browser, once this server runs:\n"
        f"    {_server_url(app)}/setup/{token}\n"
        "or with:\n"
        f"    {setting}checkend user create you@example.com --site-admin"
    )


def _server_url(app: Flask) -> str:
    """Where this server will answer, as far as is known: other WSGI servers do not tell."""
    if app.config["URL"]:
        return str(app.config["URL"])
    if app.config["SETTINGS"]["PORT"].source != "override":
        return "(the address of this server)"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(app.config["HOST"], app.config["HOST"])
    return f"http://{'[' + host + ']' if ':' in host else host}:{app.config['PORT']}"


def notify_operator(app: Flask, sentence: str, level: int = logging.INFO) -> None:
    """Tell who starts the server: on standard error, or where its lines are for machines, as a line of the log."""
    if _logs_json(app):
        log.log(level, "%s", sentence)
    else:
        with suppress(OSError):  # a full disk, say: that is no reason not to start
            print(f"Checkend: {sentence}", file=sys.stderr, flush=True)


def _logs_json(app: Flask) -> bool:
    return bool(app.config["LOG_FORMAT"] == "json")
