"""How much room the store's file takes, and giving back to the disk what is no longer used of it.

SQLite's own terms stay in here. A store is made with ``auto_vacuum = INCREMENTAL``: pages that become free are kept
for what comes next until `release_free_pages` cuts them off the file's end.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import text

from checkend.db.connection import DatabaseConnection
from checkend.db.session import db
from checkend.db.transactions import begin_writing, commit

PAGE_BATCH_SIZE = 200


@dataclass(frozen=True, slots=True)
class FileUsage:
    """The file's pages, how many of them are free, and the bytes of one."""

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
    """The store's `FileUsage` as it was last committed; the write-ahead log beside the file is not counted."""
    pages, free, page_bytes = (_pragma(name) for name in ("page_count", "freelist_count", "page_size"))
    return FileUsage(pages, free, page_bytes)


def release_free_pages(keep: int = 0) -> Iterator[int]:
    """Cut free pages off the file until ``keep`` are left, in short transactions; yields the bytes of each step.

    The file itself shrinks when the write-ahead log is next worked in, which is tried at the end.
    """
    found = file_usage()
    while found.free > keep:
        begin_writing()
        driver = _driver()
        for _ in range(min(found.free - keep, PAGE_BATCH_SIZE)):
            driver.execute("PRAGMA incremental_vacuum(1)")  # of more pages, sqlite3 would only have the first cut off
        commit()
        before, found = found, file_usage()
        if found.pages >= before.pages:
            break  # a store that was not made for it
        yield (before.pages - found.pages) * found.page_bytes
    _driver().rollback()  # the log cannot be worked in within a transaction
    _driver().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # as far as it goes without making anyone wait
    db.session.rollback()


def _driver() -> DatabaseConnection:
    connection = db.session.connection().connection.driver_connection
    assert isinstance(connection, DatabaseConnection)
    return connection


def _pragma(name: str) -> int:
    return int(db.session.execute(text(f"PRAGMA {name}")).scalar_one())
