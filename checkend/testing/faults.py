"""Faults on demand: how the server misbehaves, and for how many reports."""

import threading
from dataclasses import dataclass, field
from typing import Any

KINDS = ("status", "hang", "cut", "slow")
MESSAGES = {
    401: "Invalid or missing ingestion key",
    422: "error.class is required",
    429: "Rate limit exceeded. Retry after {} seconds.",
}
DEFAULT_RETRY_AFTER = 60
MAX_SECONDS = 300.0


class InvalidFaultError(ValueError):
    """The description of a fault is invalid; the message states what is allowed."""


@dataclass(slots=True, eq=False)
class Fault:
    """A way in which the server misbehaves when it receives a report.

    By ``kind``: ``status`` responds with this HTTP status, and with ``retry_after`` seconds if given; ``hang`` does not
    respond until the client gives up; ``cut`` closes the connection; ``slow`` stores the report and responds
    ``seconds`` late. Applies to the next ``times`` reports (None: until it is removed) of the app with the slug ``app``
    (None: of all apps). ``released`` ends delays that are under way.
    """

    kind: str
    status: int | None = None
    retry_after: int | None = None
    seconds: float = 0.0
    times: int | None = None
    app: str | None = None
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def label(self) -> str:
        """The name of the fault in the journal: ``429``, ``hang``, ``cut`` or ``slow``."""
        return str(self.status) if self.kind == "status" else self.kind

    @property
    def message(self) -> str:
        """The error message in the response with the status."""
        seconds = self.retry_after if self.retry_after is not None else DEFAULT_RETRY_AFTER
        return MESSAGES.get(self.status or 0, f"The test set a fault: status {self.status}.").format(seconds)


def parse_fault(value: dict[str, Any]) -> Fault:
    """Return the fault that a JSON object describes. Raises `InvalidFaultError`."""
    unknown = set(value) - {"fault", "status", "retry_after", "seconds", "times", "app"}
    if unknown:
        raise InvalidFaultError(f"Unknown field: {sorted(unknown)[0]}.")
    kind = value.get("fault", "status")
    if kind not in KINDS:
        raise InvalidFaultError(f"fault must be one of {', '.join(KINDS)}.")
    fault = Fault(
        kind,
        status=_number(value, "status", 400, 599) if kind == "status" else None,
        retry_after=_number(value, "retry_after", 0, 86_400, optional=True),
        seconds=_seconds(value) if kind == "slow" else 0.0,
        times=_number(value, "times", 1, 1_000_000, optional=True),
        app=value.get("app"),
    )
    if fault.status == 429 and fault.retry_after is None:
        fault.retry_after = DEFAULT_RETRY_AFTER
    return fault


def _number(value: dict[str, Any], name: str, minimum: int, maximum: int, *, optional: bool = False) -> int | None:
    number = value.get(name)
    if number is None and optional:
        return None
    if type(number) is not int or not minimum <= number <= maximum:
        raise InvalidFaultError(f"{name} must be a whole number from {minimum} to {maximum}.")
    return number


def _seconds(value: dict[str, Any]) -> float:
    seconds = value.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_SECONDS:
        raise InvalidFaultError(f"seconds must be a number from 0 to {MAX_SECONDS:g}.")
    return float(seconds)


class Faults:
    """The faults that are set, in order; the first that matches a report applies to it. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Set a fault, after those that are set already."""
        with self._lock:
            self._faults.append(fault)

    def take(self, app: str | None) -> Fault | None:
        """Return the fault for a report to the app with this slug, and count its use; None if there is none."""
        with self._lock:
            for fault in self._faults:
                if fault.app in (None, app) and fault.times != 0:
                    fault.times = None if fault.times is None else fault.times - 1
                    return fault
        return None

    def clear(self, app: str | None = None) -> None:
        """Remove the faults of an app (None: all faults), and release the reports that they delay."""
        with self._lock:
            removed = [fault for fault in self._faults if app in (None, fault.app)]
            self._faults = [fault for fault in self._faults if fault not in removed]
        for fault in removed:
            fault.released.set()
