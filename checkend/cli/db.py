"""``checkend db``: the store as a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from checkend.cli._support.output import CommandError, command_errors, json_option, print_json


@click.group("db")
def group() -> None:
    """Upgrade, back up, restore and check the store."""


@contextmanager
def _files() -> Iterator[None]:
    """A block that copies and moves files, whose faults end the command with a sentence."""
    from checkend.cli._support.errors import explain
    from checkend.db.errors import DriverError

    with command_errors():
        try:
            yield
        except (OSError, DriverError) as error:
            raise CommandError(f"That failed, and the store is as it was. {explain(error) or error}") from error


def _store(*, must_exist: bool = True) -> Path:
    from checkend.config import instance_path
    from checkend.db.schema import database_path

    path = database_path(instance_path())
    if must_exist and not path.exists():
        raise CommandError(f"There is no store yet at {path}.")
    return path


@group.command("upgrade", epilog="Example: checkend db upgrade")
@json_option
def upgrade(as_json: bool) -> None:
    """Make the store, or bring it to this version. A copy of an older one is kept beside it.

    The server does the same when it starts; refused while a server of an older version runs.
    """
    from checkend.db import schema
    from checkend.server import bootstrap

    path = _store(must_exist=False)
    with _files():
        bootstrap.create_instance_folder(path.parent)
        state = schema.create_or_migrate(path)
    if as_json:
        print_json({"store": str(path), "version": schema.HEAD, "state": state})
        return
    done = {"created": "was made", "migrated": "was upgraded", "current": "needs no upgrade"}[state]
    click.echo(f"The store {path} {done}: version {schema.HEAD}.")


@group.command("backup", epilog="Example: checkend db backup /var/backups/checkend.sqlite3")
@click.argument("target", type=click.Path(path_type=Path), required=False)
@click.option("--force", is_flag=True, help="Replace TARGET if it exists.")
@click.option("--keep-unsound", is_flag=True, help="Keep a copy with errors, as TARGET.unsound.")
@json_option
def backup(target: Path | None, force: bool, keep_unsound: bool, as_json: bool) -> None:
    """Copy the store to TARGET, a new file only you may read; servers go on meanwhile.

    The copy is checked as by `checkend db check` before it replaces anything; one with errors is not kept, and the exit
    status is 1.

    Without TARGET the copy lies in the current folder, with the time in its name. The secret key is not in it: keep
    the file secret_key of the instance folder too.
    """
    from checkend import clock
    from checkend.db.backup import back_up, reject_target

    path = _store()
    target = target or Path(f"checkend-{clock.now():%Y%m%dT%H%M%SZ}.sqlite3")
    with _files():
        reject_target(target, path)
    if target.exists() and not force:
        raise CommandError(f"{target} exists. Name another file, or replace it with --force.")
    with _files():
        back_up(path, target, keep_unsound=keep_unsound)
    size = target.stat().st_size
    if as_json:
        print_json({"backup": str(target.resolve()), "bytes": size})
    else:
        click.echo(f"The store is copied to {target} ({size:,} bytes).")


@group.command("restore", epilog="Example: checkend db restore /var/backups/checkend.sqlite3 --force")
@click.argument("source", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace the store that exists.")
@json_option
def restore(source: Path, force: bool, as_json: bool) -> None:
    """Put the backup SOURCE in the place of the store, once it is found sound.

    Refused while a server runs: each holds a lock on checkend.pid in the instance folder. A backup of an older
    version is upgraded at the next start.
    """
    from checkend.db import restore as db_restore
    from checkend.server import bootstrap

    path = _store(must_exist=False)
    if path.exists() and path.stat().st_size and not force:
        raise CommandError(f"There is a store at {path}. --force replaces it; it cannot be had back.")
    with _files():
        bootstrap.create_instance_folder(path.parent)
        found = db_restore.restore(source, path)
    if as_json:
        print_json({"store": str(path), "version": found})
    else:
        click.echo(f"The store {path} is restored from {source}.")


@group.command("check", epilog="Example: checkend db check && echo sound")
@json_option
def check(as_json: bool) -> None:
    """Check the store: its pages, its references, its kept counts. Exit status 1 if anything is wrong.

    A store of a newer version, which this Checkend cannot use, counts as wrong.

    Servers go on meanwhile.
    """
    from checkend.db import schema

    path = _store()
    with _files():
        found = schema.version(path)
        faults = _faults(path, found)
    if as_json:
        print_json({"store": str(path), "version": found, "ok": not faults, "faults": faults})
    elif not faults:
        click.echo(f"The store {path} is sound: version {found}.")
    else:
        click.echo("\n".join([f"The store {path} has faults:", *faults]), err=True)
    if faults:
        raise SystemExit(1)


def _faults(path: Path, found: str | None) -> list[str]:
    """What is wrong with the store of version ``found``, in sentences."""
    from checkend.db import integrity, schema

    faults = integrity.find_corruption(path)
    if not faults and found == schema.HEAD:
        return integrity.find_wrong_counters(path)
    try:
        if found is not None:
            schema.reject_unknown_version(path, found)
    except schema.IncompatibleDatabaseError as refused:
        faults.append(f"This Checkend cannot use it: {refused}")
    return faults
