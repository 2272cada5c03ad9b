"""Errors of the database driver, and their classification: the rest of Checkend does not know the engine.

SQLAlchemy wraps the driver's errors (`driver_error` unwraps them), but connecting, taking the write lock and the
statements of ingestion raise them as they are. `DATABASE_ERRORS` catches both.
"""

import sqlite3

from sqlalchemy.exc import SQLAlchemyError

DriverError = sqlite3.Error
DriverDatabaseError = sqlite3.DatabaseError
DATABASE_ERRORS = (SQLAlchemyError, sqlite3.Error)

_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_FULL = "SQLITE_FULL"
_NO_ACCESS = (_FULL, "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")
_OTHER_UNAVAILABLE = ("SQLITE_NOMEM", "SQLITE_PROTOCOL", "SQLITE_AUTH")
_LOCK_TIMEOUT = "database is locked"  # the text of SQLite's own error, and of ours for the process's write lock


def driver_error(error: Exception) -> Exception:
    """Return the driver's error that SQLAlchemy wrapped in ``error``, or ``error`` itself."""
    return getattr(error, "orig", None) or error


def is_busy(error: Exception) -> bool:
    """Return whether the write lock did not become free in time: another thread or process holds it."""
    return _name(error).startswith(_BUSY) or str(error) == _LOCK_TIMEOUT


def is_damaged(error: Exception) -> bool:
    """Return whether the file is corrupt or not a database."""
    return _name(error).startswith(_DAMAGED)


def is_full(error: Exception) -> bool:
    """Return whether the disk is full, or the file has reached its size limit."""
    return _name(error) == _FULL


def is_inaccessible(error: Exception) -> bool:
    """Return whether the file cannot be read or written: a full disk, an I/O error, missing permissions."""
    return _name(error).startswith(_NO_ACCESS)


def is_interrupted(error: Exception) -> bool:
    """Return whether the statement was stopped by `checkend.db.read_deadline`."""
    return _name(error) == "SQLITE_INTERRUPT"


def is_unavailable(error: Exception) -> bool:
    """Return whether the database as a whole cannot be used, rather than one statement being wrong."""
    if _name(error).startswith((*_BUSY, *_DAMAGED, *_NO_ACCESS, *_OTHER_UNAVAILABLE)):
        return True
    return isinstance(error, sqlite3.OperationalError) and not _name(error)


def is_operational(error: Exception) -> bool:
    """Return whether the driver blames the database rather than the statement."""
    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError


def _name(error: Exception) -> str:
    return str(getattr(error, "sqlite_errorname", "") or "")
