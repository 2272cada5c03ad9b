"""Copying the database to a backup, and which files a copy must never replace."""

import stat
from pathlib import Path

from checkend.db import integrity, schema
from checkend.db.schema import IncompatibleDatabaseError


class CorruptDatabaseError(IncompatibleDatabaseError):
    """The copy has errors, so it replaced nothing."""


def back_up(database: Path, target: Path, *, keep_unsound: bool = False) -> None:
    """Copy ``database`` to ``target``, which is replaced only by a copy that was checked.

    With ``keep_unsound`` a copy with errors is kept under the name of ``target`` with ``.unsound`` added. Raises
    `IncompatibleDatabaseError` for a target that must not be replaced, and `CorruptDatabaseError`.
    """
    reject_target(target, database)
    kept = target.with_name(f"{target.name}.unsound") if keep_unsound else None
    if kept is not None:
        reject_target(kept, database)

    def check(copy: Path) -> None:
        if errors := _errors(copy):
            raise CorruptDatabaseError(
                f"The database {database} has errors, so {target} was not written. {' '.join(errors)} "
                + (f"The copy with errors is {kept}. " if kept else "--keep-unsound keeps the copy nevertheless. ")
                + "An earlier backup can be put back with `checkend db restore`."
            )

    schema.version(database)
    try:
        schema.copy_database(database, target, check=check)
    except CorruptDatabaseError:
        if kept is not None:
            schema.copy_database(database, kept)
        raise


def _errors(copy: Path) -> list[str]:
    errors = integrity.find_corruption(copy)
    if not errors and schema.version(copy) == schema.HEAD:
        return integrity.find_wrong_counters(copy)
    return errors


def reject_target(target: Path, database: Path) -> None:
    """Raise `IncompatibleDatabaseError` where a file at ``target`` must not be replaced by a copy of ``database``.

    That is anything but a regular file, and whatever the server keeps beside its database.
    """
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not stat.S_ISREG(mode):
        raise IncompatibleDatabaseError(
            f"{target} is {file_kind(mode)}. Name a regular file, or one that does not exist."
        )
    if is_own_file(target, database):
        raise IncompatibleDatabaseError(
            f"{target} belongs to the server: it is the store itself, or a file that the store needs."
        )


def is_own_file(path: Path, database: Path) -> bool:
    """Return whether ``path`` is ``database``, under whatever name, or one of the files that belong to it."""
    folder = database.parent.resolve()
    beside = {f"{database.name}{suffix}" for suffix in ("", "-wal", "-shm", "-journal")}
    own = beside | {database.with_suffix(".lock").name, "checkend.pid", "secret_key", "setup_token", "config.py"}
    if path.parent.resolve() == folder and path.name in own:
        return True
    return path.exists() and any((folder / name).exists() and path.samefile(folder / name) for name in own)


def file_kind(mode: int) -> str:
    """Return what a file of ``mode`` is, as messages name it, where it is not a regular one."""
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    return "a folder" if stat.S_ISDIR(mode) else "a device, a pipe or a socket"
