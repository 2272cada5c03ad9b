"""Copying the database to a backup file, without ever replacing a file of the server."""

import stat
from pathlib import Path

from checkend.db import integrity, schema
from checkend.db.schema import IncompatibleDatabaseError


class CorruptDatabaseError(IncompatibleDatabaseError):
    """The copy has errors, so it did not replace the target."""


def back_up(database: Path, target: Path, *, keep_unsound: bool = False) -> None:
    """Copy ``database`` to ``target``, after the copy has been checked.

    With ``keep_unsound``, a copy with errors is kept with ``.unsound`` appended to the name of ``target``. Raise
    `IncompatibleDatabaseError` for a target that must not be replaced, `CorruptDatabaseError` for a copy with errors.
    """
    reject_target(target, database)
    unsound_copy = target.with_name(f"{target.name}.unsound") if keep_unsound else None
    if unsound_copy is not None:
        reject_target(unsound_copy, database)

    def check(copy: Path) -> None:
        errors = integrity.find_corruption(copy)
        if not errors and schema.version(copy) == schema.HEAD:
            errors = integrity.find_wrong_counters(copy)
        if errors:
            raise CorruptDatabaseError(
                f"The database {database} has errors, so {target} was not written. {' '.join(errors)} "
                + (
                    f"The copy with errors is {unsound_copy}. "
                    if unsound_copy
                    else "--keep-unsound keeps the copy anyway. "
                )
                + "Restore an earlier backup with `checkend db restore`."
            )

    schema.version(database)
    try:
        schema.copy_database(database, target, check=check)
    except CorruptDatabaseError:
        if unsound_copy is not None:
            schema.copy_database(database, unsound_copy)
        raise


def reject_target(target: Path, database: Path) -> None:
    """Raise `IncompatibleDatabaseError` if a copy of ``database`` must not replace ``target``.

    That is the case for anything but a regular file, and for the files that the server keeps in its instance folder.
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
            f"{target} belongs to the server: it is the database itself, or another file of the instance folder."
        )


def is_own_file(path: Path, database: Path) -> bool:
    """Return whether ``path`` is ``database`` or another file of the server, possibly through a link."""
    folder = database.parent.resolve()
    beside = {f"{database.name}{suffix}" for suffix in ("", "-wal", "-shm", "-journal")}
    own = beside | {database.with_suffix(".lock").name, "checkend.pid", "secret_key", "setup_token", "config.py"}
    if path.parent.resolve() == folder and path.name in own:
        return True
    return path.exists() and any((folder / name).exists() and path.samefile(folder / name) for name in own)


def file_kind(mode: int) -> str:
    """Return the kind of a file of ``mode`` that is not a regular file, for messages."""
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    return "a folder" if stat.S_ISDIR(mode) else "a device, a pipe or a socket"
