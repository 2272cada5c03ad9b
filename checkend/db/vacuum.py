"""The size of the database file, and returning unused space to the disk.

Databases are created with ``auto_vacuum = INCREMENTAL``: free pages stay in the file, where later writes reuse them,
until `release_free_pages` truncates the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import text

from checkend.db.connection import DatabaseConnection
from checkend.db.session import db
from checkend.db.transactions import write_transaction

PAGE_BATCH_SIZE = 200


@dataclass(frozen=True, slots=True)
class FileUsage:
    """The pages of the file, how many of them are free, and the size of a page in bytes."""

    pages: int
    free: int
    page_bytes: int

    @property
    def file_bytes(self) -> int:
        return self.pages * self.page_bytes

    @property
    def used_bytes(self) -> int:
        return (self.pages - self.free) * self.page_bytes


def file_usage() -> FileUsage:
    """Return the `FileUsage` of the last commit; the write-ahead log is not counted."""
    names = ("page_count", "freelist_count", "page_size")
    pages, free, page_bytes = (int(db.session.execute(text(f"PRAGMA {name}")).scalar_one()) for name in names)
    return FileUsage(pages, free, page_bytes)


def release_free_pages(keep: int = 0) -> Iterator[int]:
    """Remove free pages from the file until ``keep`` are left, in short transactions; yield the bytes of each.

    The file itself shrinks at the next checkpoint of the write-ahead log, which is attempted at the end.
    """
    usage = file_usage()
    while usage.free > keep:
        with write_transaction():
            connection = _connection()
            for _ in range(min(usage.free - keep, PAGE_BATCH_SIZE)):
                # One page at a time: for more, the sqlite3 module would step the statement only once, for one page.
                connection.execute("PRAGMA incremental_vacuum(1)")
        previous, usage = usage, file_usage()
        if usage.pages >= previous.pages:
            break  # the database was created without auto_vacuum
        yield (previous.pages - usage.pages) * usage.page_bytes
    _connection().rollback()  # a checkpoint is impossible within a transaction
    _connection().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # passive: makes no reader or writer wait
    db.session.rollback()


def _connection() -> DatabaseConnection:
    connection = db.session.connection().connection.driver_connection
    assert isinstance(connection, DatabaseConnection)
    return connection
