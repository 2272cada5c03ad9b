"""Write transactions: one writer at a time; the others wait in line instead of polling for the lock."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from flask import g
from sqlalchemy import Connection

from checkend.db.session import db

Step = TypeVar("Step")

INDEPENDENT_WRITE_TIMEOUT_SECONDS = 0.25


@contextmanager
def write_transaction() -> Iterator[None]:
    """Run a block as the database's only writer, and commit when it ends; an exception rolls everything back.

    Open it at the edge: in `@requires`, a view, a command, a worker's step. It ends the read transaction that was
    open; objects that were loaded before are loaded again on their next use. The write lock is taken by the first
    statement of the block, so slow work (hashing a password, reading a body) belongs before the block, not in it.

    Raises RuntimeError inside of another write transaction, and `DriverError` or SQLAlchemy's OperationalError when
    the write lock does not become free in time.
    """
    if g.get("writing"):
        raise RuntimeError("a write transaction is open already")
    db.session.rollback()
    g.writing = True
    try:
        yield
        db.session.commit()
    except BaseException:
        db.session.rollback()
        raise
    finally:
        g.writing = False


def write_in_steps(steps: Iterator[Step]) -> Iterator[Step]:
    """Run each step of an iterator in a write transaction of its own, and yield its result after the commit.

    For long work: between two steps other writers get their turn, and stopping early keeps the steps that are done.
    """
    while True:
        with write_transaction():
            try:
                step = next(steps)
            except StopIteration:
                return
        yield step


@contextmanager
def independent_write(timeout_seconds: float = INDEPENDENT_WRITE_TIMEOUT_SECONDS) -> Iterator[Connection]:
    """Open a short write transaction beside the session's read transaction, for records such as a key's last use.

    If a write transaction is open, the block becomes part of it instead. Waits for other writers for at most
    ``timeout_seconds``, then raises `DriverError` or SQLAlchemy's OperationalError.
    """
    if g.get("writing"):
        yield db.session.connection()
        return
    previous = g.get("timeout_seconds")
    g.writing, g.timeout_seconds = True, timeout_seconds
    try:
        with db.engine.begin() as connection:
            yield connection
    finally:
        g.writing, g.timeout_seconds = False, previous
