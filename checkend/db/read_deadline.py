"""A deadline for the queries of requests, so that no single query occupies a request thread for long."""

import time
from typing import Any

from flask import g, has_request_context
from sqlalchemy import Connection, Engine, event

READ_SECONDS = 5.0
# The number of steps of SQLite's virtual machine between two calls of the progress handler. They take 0.1 s in the most
# expensive text search, and a millisecond in a scan, where the calls cost less than 0.1 % of the time.
STEPS_BETWEEN_CHECKS = 10_000


class _Deadline:
    """The time.monotonic() at which the running statement is interrupted; None for never."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at: float | None = None

    def has_passed(self) -> bool:
        return self.at is not None and time.monotonic() > self.at


def register(engine: Engine) -> None:
    """Interrupt each query of a request after `READ_SECONDS`; it raises an error for which `is_interrupted` is true.

    Statements in write transactions and outside of requests (retention, commands) are not interrupted.
    """
    event.listen(engine, "connect", _install)
    event.listen(engine, "before_cursor_execute", _start)
    event.listen(engine, "checkin", _clear)


def _install(connection: Any, record: Any) -> None:
    deadline = record.info["read_deadline"] = _Deadline()
    connection.set_progress_handler(deadline.has_passed, STEPS_BETWEEN_CHECKS)


def _clear(_: Any, record: Any) -> None:
    """Forget the deadline of the last request, so that it cannot end what runs on the connection without SQLAlchemy."""
    record.info["read_deadline"].at = None


def _start(connection: Connection, *_: Any) -> None:
    reads = has_request_context() and not g.get("writing")
    connection.info["read_deadline"].at = time.monotonic() + READ_SECONDS if reads else None
