"""``checkend db``: operations on the database file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from checkend.cli._support.output import CommandError, command_errors, json_option, print_json


@click.group("db")
def group() -> None:
    """Upgrade, back up, restore and check the database."""


@contextmanager
def _file_errors() -> Iterator[None]:
    """Raise `CommandError` for errors in a block that copies and moves files, and leaves the database unchanged."""
    from checkend.cli._support.errors import explain
    from checkend.db.errors import DriverError

    with command_errors():
        try:
            yield
        except (OSError, DriverError) as error:
            raise CommandError(f"Failed; the database was not changed. {explain(error) or error}") from error


def _database_path(*, must_exist: bool = True) -> Path:
    from checkend.config import instance_path
    from checkend.db.schema import database_path

    path = database_path(instance_path())
    if must_exist and not path.exists():
        raise CommandError(
            f"There is no database at {path}. Set CHECKEND_INSTANCE_PATH to the folder that contains it."
        )
    return path


@group.command("upgrade", epilog="Example: checkend db upgrade")
@json_option
def upgrade(as_json: bool) -> None:
    """Create the database, or upgrade it to this version, keeping a copy of the old one next to it.

    The server does the same when it starts. Not possible while a server of an older version is running.
    """
    from checkend.db import schema
    from checkend.server import bootstrap

    path = _database_path(must_exist=False)
    with _file_errors():
        bootstrap.create_instance_folder(path.parent)
        state = schema.create_or_migrate(path)
    if as_json:
        print_json({"store": str(path), "version": schema.HEAD, "state": state})
        return
    outcome = {"created": "Created", "migrated": "Upgraded", "current": "No upgrade is necessary for"}[state]
    click.echo(f"{outcome} the database {path}. Its version is {schema.HEAD}.")


@group.command("backup", epilog="Example: checkend db backup /var/backups/checkend.sqlite3")
@click.argument("target", type=click.Path(path_type=Path), required=False)
@click.option("--force", is_flag=True, help="Replace TARGET if it exists.")
@click.option("--keep-unsound", is_flag=True, help="If the copy has errors, keep it as TARGET.unsound.")
@json_option
def backup(target: Path | None, force: bool, keep_unsound: bool, as_json: bool) -> None:
    """Copy the database to TARGET, a new file that only you can read. Servers can keep running.

    The copy is checked, as by `checkend db check`, before it replaces an older one. If it has errors, it is deleted,
    and the exit status is 1.

    By default, TARGET is a file in the current folder with the time in its name. The backup does not contain the secret
    key: also keep the file secret_key in the instance folder.
    """
    from checkend import clock
    from checkend.db.backup import back_up, reject_target

    path = _database_path()
    target = target or Path(f"checkend-{clock.now():%Y%m%dT%H%M%SZ}.sqlite3")
    with _file_errors():
        reject_target(target, path)
    if target.exists() and not force:
        raise CommandError(f"{target} already exists. Specify another file, or use --force to replace it.")
    with _file_errors():
        back_up(path, target, keep_unsound=keep_unsound)
    size = target.stat().st_size
    if as_json:
        print_json({"backup": str(target.resolve()), "bytes": size})
    else:
        click.echo(f"Copied the database to {target} ({size:,} bytes).")


@group.command("restore", epilog="Example: checkend db restore /var/backups/checkend.sqlite3 --force")
@click.argument("source", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace the existing database.")
@json_option
def restore(source: Path, force: bool, as_json: bool) -> None:
    """Replace the database with the backup SOURCE, after checking it for errors.

    Not possible while a server is running: each holds a lock on checkend.pid in the instance folder. A backup of an
    older version is upgraded when the server next starts.
    """
    from checkend.db import restore as db_restore
    from checkend.server import bootstrap

    path = _database_path(must_exist=False)
    if path.exists() and path.stat().st_size and not force:
        raise CommandError(f"There is a database at {path}. Use --force to replace it; this cannot be undone.")
    with _file_errors():
        bootstrap.create_instance_folder(path.parent)
        version = db_restore.restore(source, path)
    if as_json:
        print_json({"store": str(path), "version": version})
    else:
        click.echo(f"Restored the database {path} from {source}.")


@group.command("check", epilog="Example: checkend db check && echo OK")
@json_option
def check(as_json: bool) -> None:
    """Check the database: its pages, its references and its counters. Exits with status 1 if there are errors.

    A database of a newer version, which this version of Checkend cannot use, is an error. Servers can keep running.
    """
    from checkend.db import schema

    path = _database_path()
    with _file_errors():
        version = schema.version(path)
        errors = _find_errors(path, version)
    if as_json:
        print_json({"store": str(path), "version": version, "ok": not errors, "faults": errors})
    elif not errors:
        click.echo(f"The database {path} has no errors. Its version is {version}.")
    else:
        click.echo("\n".join([f"The database {path} has errors:", *errors]), err=True)
    if errors:
        raise SystemExit(1)


def _find_errors(path: Path, version: str | None) -> list[str]:
    from checkend.db import integrity, schema

    errors = integrity.find_corruption(path)
    if not errors and version == schema.HEAD:
        return integrity.find_wrong_counters(path)
    try:
        if version is not None:
            schema.reject_unknown_version(path, version)
    except schema.IncompatibleDatabaseError as error:
        errors.append(f"This version of Checkend cannot use it: {error}")
    return errors
