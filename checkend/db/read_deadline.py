"""A deadline for what requests read, so that no single query holds a request thread for long."""

import time
from typing import Any

from flask import g, has_request_context
from sqlalchemy import Connection, Engine, event

READ_SECONDS = 5.0
# SQLite asks after so many steps of its virtual machine: every 0.1 s in the most expensive text search, every
# millisecond in a scan, where asking costs less than a thousandth.
STEPS_BETWEEN_CHECKS = 10_000


class _Deadline:
    """When the statement under way is interrupted, in seconds of the monotonic clock; None for never."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at: float | None = None

    def has_passed(self) -> bool:
        return self.at is not None and time.monotonic() > self.at


def register(engine: Engine) -> None:
    """Interrupt each statement that a request reads with after `READ_SECONDS`: SQLite raises SQLITE_INTERRUPT.

    Statements in a writing transaction are not interrupted, and neither is anything outside a request (retention,
    commands).
    """
    event.listen(engine, "connect", _install)
    event.listen(engine, "before_cursor_execute", _start)


def _install(connection: Any, record: Any) -> None:
    deadline = record.info["read_deadline"] = _Deadline()
    connection.set_progress_handler(deadline.has_passed, STEPS_BETWEEN_CHECKS)


def _start(connection: Connection, *_: Any) -> None:
    reads = has_request_context() and not g.get("writing")
    connection.info["read_deadline"].at = time.monotonic() + READ_SECONDS if reads else None
