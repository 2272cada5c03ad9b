"""Faults on demand: how the server misbehaves, for how many reports."""

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
    """There is no such fault; the text says what there is."""


@dataclass(slots=True, eq=False)
class Fault:
    """How reports are answered.

    ``status``: with this HTTP status, and with ``retry_after`` seconds where that is given; ``hang``: not at all until
    the client gives up; ``cut``: by closing the connection; ``slow``: rightly, but ``seconds`` late. For the next
    ``times`` reports (None: until it is taken back), of the app with the slug ``app`` (None: of all).
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
        """The fault as the journal names it: ``429``, ``hang``, ``cut``, ``slow``."""
        return str(self.status) if self.kind == "status" else self.kind

    @property
    def message(self) -> str:
        """The sentence that goes with the status."""
        wait = self.retry_after if self.retry_after is not None else DEFAULT_RETRY_AFTER
        return MESSAGES.get(self.status or 0, f"A fault was asked for: {self.status}.").format(wait)


def read(value: dict[str, Any]) -> Fault:
    """The fault that a JSON object describes. Raises `InvalidFaultError`."""
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


def _number(value: dict[str, Any], name: str, least: int, most: int, *, optional: bool = False) -> int | None:
    number = value.get(name)
    if number is None and optional:
        return None
    if type(number) is not int or not least <= number <= most:
        raise InvalidFaultError(f"{name} must be a whole number from {least} to {most}.")
    return number


def _seconds(value: dict[str, Any]) -> float:
    seconds = value.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_SECONDS:
        raise InvalidFaultError(f"seconds must be a number from 0 to {MAX_SECONDS:g}.")
    return float(seconds)


class Faults:
    """The faults that are set. The first that concerns a report is the one it meets. Safe for any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._set: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Set a fault; it comes after those that are set."""
        with self._guard:
            self._set.append(fault)

    def take(self, app: str | None) -> Fault | None:
        """The fault for a report to the app with this slug, used once by that; None for none."""
        with self._guard:
            for fault in self._set:
                if fault.app in (None, app) and fault.times != 0:
                    fault.times = None if fault.times is None else fault.times - 1
                    return fault
        return None

    def clear(self, app: str | None = None) -> None:
        """Take back the faults for an app (None: all), and let go of the reports that they hold up."""
        with self._guard:
            taken = [fault for fault in self._set if app in (None, fault.app)]
            self._set = [fault for fault in self._set if fault not in taken]
        for fault in taken:
            fault.released.set()
