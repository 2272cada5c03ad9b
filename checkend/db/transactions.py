"""Transactions that write: one writer at a time, waiting fairly instead of polling."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from flask import g
from sqlalchemy import Connection

from checkend.db.session import db

Step = TypeVar("Step")

INDEPENDENT_WRITE_TIMEOUT_SECONDS = 0.25


def begin_writing() -> None:
    """From here to the end of the app context the session's transactions are for writing: BEGIN IMMEDIATE.

    Ends the reading transaction under way, if any; what was loaded is loaded again on its next use.
    """
    if not g.get("writing"):
        db.session.rollback()
        g.writing = True


def commit() -> None:
    """Commit what the session has written; from here on it reads, and holds up no other writer."""
    db.session.commit()
    g.writing = False


@contextmanager
def write_transaction() -> Iterator[None]:
    """Run a block as the database's only writer, and commit when it ends; an exception rolls everything back.

    Opened at the edge: by `@requires`, a view, a command, a worker's step. Ends the read transaction
    that was open; objects that were loaded before are loaded again on their next use.

    Raises RuntimeError inside of another write transaction, and sqlite3.OperationalError when the write lock does not
    become free in time.
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
def independent_write() -> Iterator[Connection]:
    """A writing transaction of its own, committed at the end, while the session goes on reading.

    For notes that a read makes on its way: it waits for other writers only `INDEPENDENT_WRITE_TIMEOUT_SECONDS`, then
    raises sqlalchemy.exc.OperationalError or sqlite3.OperationalError. Where the session writes already, its own
    transaction, committed with the rest.
    """
    if g.get("writing"):
        yield db.session.connection()
        return
    g.writing, g.timeout_seconds = True, INDEPENDENT_WRITE_TIMEOUT_SECONDS
    try:
        with db.engine.begin() as connection:
            yield connection
    finally:
        g.writing, g.timeout_seconds = False, None
