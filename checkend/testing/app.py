"""An app on a server in fixture mode: what a test holds in its hands."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from checkend.client.client import Client
from checkend.client.connection import JsonConnection
from checkend.client.types import Notice, Problem
from checkend.exceptions import CheckendError
from checkend.testing.types import Access, ReceivedRequest

DEFAULT_TIMEOUT = 5.0


class FixtureError(CheckendError):
    """The fixture cannot do what was asked; the text says why."""


def control_request(connection: JsonConnection, method: str, path: str, body: Any = None, **query: Any) -> Any:
    """Ask a route below ``/_fixture``. Raises `FixtureError`; for a wait that was in vain AssertionError."""
    __tracebackhide__ = True
    seconds = 30.0 + float(query.get("timeout") or 0)
    status, value = connection.request(method, f"/_fixture{path}", body, timeout_seconds=seconds, **query)
    if status < 400:
        return value
    error = value.get("error") if isinstance(value, dict) else None
    if path == "/wait" and status == 404:
        raise AssertionError(error)
    raise FixtureError(f"{method} /_fixture{path} was answered {status}: {error}")


class CheckendApp:
    """An app with keys of its own, and what came of the reports to it. Other apps of the server are not seen."""

    def __init__(self, access: Access, control: JsonConnection, remove: Callable[[str], None]) -> None:
        self.url = access["url"]
        self.ingestion_key = access["ingestion_key"]
        self.api_key = access["api_key"]
        self.slug = access["app"]
        self.env = access["env"]
        self.client = Client(self.url, self.api_key)
        self._control, self._remove = control, remove
        self.faults = AppFaults(self._control, self.slug)
        self._expected: set[int] = set()
        self._expectations: list[tuple[str | None, str | None]] = []

    def __enter__(self) -> "CheckendApp":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def problems(self) -> list[Problem]:
        """The problems reported so far, the latest first."""
        return self.client.all_problems(self.slug)

    def notices(self, problem: Problem | None = None) -> list[Notice]:
        """The notices of ``problem``, or of all problems, the latest of each first."""
        problems = self.problems() if problem is None else [problem]
        return [notice for one in problems for notice in self.client.all_notices(self.slug, one["id"])]

    def requests(self) -> list[ReceivedRequest]:
        """The raw requests received, oldest first, with their answers; those of `client` are left out."""
        return self._ask("GET", "/journal", app=self.slug)["requests"]  # type: ignore[no-any-return]  # JSON

    def wait_for_problem(
        self,
        error_class: str | None = None,
        *,
        message: str | None = None,
        count: int = 1,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Problem:
        """The problem of this class, with ``message`` in a report's message, once it was reported ``count`` times.

        A class may be named with or without its module. Returns as soon as it is there, and makes it expected.
        Raises AssertionError after ``timeout`` seconds, saying what came instead.
        """
        __tracebackhide__ = True
        query = {"error_class": error_class, "message": message, "count": count, "timeout": timeout}
        problem: Problem = self._ask("GET", "/wait", app=self.slug, **query)["problem"]
        self._expected.add(problem["id"])
        return problem

    def wait_for_requests(self, count: int = 1, *, timeout: float = DEFAULT_TIMEOUT) -> list[ReceivedRequest]:
        """All requests received, once there are ``count`` that are answered or given up.

        Raises AssertionError after ``timeout`` seconds, saying what came.
        """
        __tracebackhide__ = True
        answer = self._ask("GET", "/wait", app=self.slug, requests=count, timeout=timeout)
        return answer["requests"]  # type: ignore[no-any-return]  # JSON

    def assert_no_problems(self, *, within: float = 0.0) -> None:
        """Nothing was reported, or comes within so many seconds; a report that was refused counts too.

        Raises AssertionError as soon as something comes, saying what.
        """
        __tracebackhide__ = True
        self._ask("GET", "/wait", app=self.slug, count=0, timeout=within)

    def expect(self, error_class: str | None = None, *, message: str | None = None) -> None:
        """Say beforehand that such problems may be reported: they are not unexpected."""
        self._expectations.append((error_class, message))

    def assert_nothing_unexpected(self, *, within: float = 0.0) -> None:
        """All that was reported, or comes within so many seconds, was waited for or said to be expected.

        Raises AssertionError naming what was not; a report that was refused is always unexpected.
        """
        __tracebackhide__ = True
        until = time.monotonic() + within
        while True:
            report = self._ask("GET", "/report", app=self.slug)
            unexpected = [problem for problem in report["problems"] if not self._is_expected(problem)]
            if unexpected or report["refused"]:
                names = ", ".join(sorted({problem["error_class"] for problem in unexpected})) or "a report was refused"
                raise AssertionError(f"The program reported what the test did not expect: {names}.\n{report['text']}")
            left = until - time.monotonic()
            if left <= 0 or not self._comes_something(left):
                return

    def _comes_something(self, seconds: float) -> bool:
        number = len(self.requests())
        try:
            self.wait_for_requests(number + 1, timeout=seconds)
        except AssertionError:
            return False
        return True

    def _is_expected(self, problem: Problem) -> bool:
        if problem["id"] in self._expected:
            return True
        own = problem["error_class"]
        return any(
            (not error_class or own == error_class or own.endswith((f".{error_class}", f"::{error_class}")))
            and (not message or message in (problem["error_message"] or ""))
            for error_class, message in self._expectations
        )

    def reset(self) -> None:
        """Forget problems, requests, faults and expectations; the keys stay."""
        self._ask("POST", "/reset", app=self.slug)
        self._expected.clear()
        self._expectations.clear()

    def close(self) -> None:
        """Remove the app with all that was reported to it."""
        self._remove(self.slug)
        self.disconnect()

    def disconnect(self) -> None:
        """Close the client's connections; the app stays."""
        self.client.close()

    def _ask(self, method: str, path: str, **query: Any) -> Any:
        __tracebackhide__ = True
        return control_request(self._control, method, path, **query)


class AppFaults:
    """Makes reports to an app meet faults: the next ``times`` of them, or all until `reset`."""

    def __init__(self, control: JsonConnection, slug: str) -> None:
        self._control, self._slug = control, slug

    def answer(self, status: int, *, retry_after: int | None = None, times: int | None = None) -> None:
        """Answer with this status (400 to 599), and with ``Retry-After`` where that is given; a 429 always has one."""
        self._set(fault="status", status=status, retry_after=retry_after, times=times)

    def hang(self, *, times: int | None = None) -> None:
        """Do not answer until the client gives up."""
        self._set(fault="hang", times=times)

    def cut(self, *, times: int | None = None) -> None:
        """Close the connection without an answer."""
        self._set(fault="cut", times=times)

    def slow(self, seconds: float, *, times: int | None = None) -> None:
        """Take the report in, so much later."""
        self._set(fault="slow", seconds=seconds, times=times)

    def reset(self) -> None:
        """Take back what is set; reports that are held up are let go."""
        control_request(self._control, "DELETE", "/faults", app=self._slug)

    def _set(self, **fault: Any) -> None:
        given = {name: value for name, value in fault.items() if value is not None}
        control_request(self._control, "POST", "/faults", {**given, "app": self._slug})
