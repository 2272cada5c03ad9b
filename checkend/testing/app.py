"""An app on a server in fixture mode, as a test uses it."""

import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

from checkend.client.client import Client
from checkend.client.connection import USER_AGENT, ServerConnection
from checkend.client.types import Notice, Problem
from checkend.exceptions import CheckendError
from checkend.testing.types import Access, ReceivedRequest

DEFAULT_TIMEOUT = 5.0
LOOK_AGAIN_SECONDS = 1.0


class FixtureError(CheckendError):
    """The fixture rejected a request; the message states why."""


def control_request(connection: ServerConnection, method: str, path: str, body: Any = None, **query: Any) -> Any:
    """Send a request to a route below ``/_fixture``, and return the JSON value of the response.

    Raises AssertionError if the route waited and timed out, and `FixtureError` for any other error.
    """
    __tracebackhide__ = True
    timeout_seconds = 40.0 + float(query.get("timeout") or 0)
    status, value, _ = connection.request(method, f"/_fixture{path}", body, timeout_seconds=timeout_seconds, **query)
    if status < 400:
        return value
    error = value.get("error") if isinstance(value, dict) else None
    if path == "/wait" and status == 404:
        raise AssertionError(error)
    raise FixtureError(f"{method} /_fixture{path} failed with status {status}: {error}")


class CheckendApp:
    """An app with keys of its own, and everything that is reported to it; other apps on the server are not visible."""

    def __init__(self, access: Access, control: ServerConnection, remove: Callable[[str], None]) -> None:
        self.url = access["url"]
        self.ingestion_key = access["ingestion_key"]
        self.api_key = access["api_key"]
        self.slug = access["app"]
        self.env = access["env"]
        self.client = Client(self.url, self.api_key, retries=0, user_agent=USER_AGENT)
        self._control, self._remove = control, remove
        self.faults = AppFaults(control, self.slug)
        self._expected: set[int] = set()
        self._expectations: list[tuple[str | None, str | None]] = []

    def __enter__(self) -> "CheckendApp":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def problems(self) -> list[Problem]:
        """Return the problems reported so far, latest first."""
        return self.client.all_problems(self.slug)

    def notices(self, problem: Problem | None = None) -> list[Notice]:
        """Return the notices of ``problem``, or those of all problems; latest first within each problem."""
        problems = self.problems() if problem is None else [problem]
        return [notice for each in problems for notice in self.client.all_notices(self.slug, each["id"])]

    def requests(self) -> list[ReceivedRequest]:
        """Return the raw requests received and their responses, oldest first; those sent by `client` are left out."""
        return self._control_request("GET", "/journal")["requests"]  # type: ignore[no-any-return]  # JSON

    def wait_for_problem(
        self,
        error_class: str | None = None,
        *,
        message: str | None = None,
        count: int = 1,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Problem:
        """Return the problem of this class, and with ``message`` in a message, once it was reported ``count`` times.

        The class may be given with or without its module. The problem is expected from then on. Raises AssertionError
        after ``timeout`` seconds, with what was reported instead.
        """
        __tracebackhide__ = True
        query = {"error_class": error_class, "message": message, "count": count, "timeout": timeout}
        problem: Problem = self._control_request("GET", "/wait", **query)["problem"]
        self._expected.add(problem["id"])
        return problem

    def wait_for_requests(self, count: int = 1, *, timeout: float = DEFAULT_TIMEOUT) -> list[ReceivedRequest]:
        """Return all requests received, once ``count`` of them have a response or were given up.

        Raises AssertionError after ``timeout`` seconds, with what was received.
        """
        __tracebackhide__ = True
        response = self._control_request("GET", "/wait", requests=count, timeout=timeout)
        return response["requests"]  # type: ignore[no-any-return]  # JSON

    def assert_no_problems(self, *, within: float = 0.0) -> None:
        """Assert that nothing has been reported, nor is within ``within`` seconds; a rejected report counts as one.

        Raises AssertionError as soon as something is reported, with what it is.
        """
        __tracebackhide__ = True
        self._control_request("GET", "/wait", count=0, timeout=within)

    def expect(self, error_class: str | None = None, *, message: str | None = None) -> None:
        """Declare that such problems may be reported: `assert_nothing_unexpected` accepts them."""
        self._expectations.append((error_class, message))

    def assert_nothing_unexpected(self, *, within: float = 0.0) -> None:
        """Assert that everything reported, now or within ``within`` seconds, was waited for or expected.

        Raises AssertionError with what was not; a report that was rejected is always unexpected.
        """
        __tracebackhide__ = True
        deadline = time.monotonic() + within
        while True:
            received = len(self.requests())  # before the report: whatever comes after it ends the wait below
            report = self._control_request("GET", "/report")
            unexpected = [problem for problem in report["problems"] if not self._is_expected(problem)]
            if unexpected or report["refused"]:
                classes = ", ".join(sorted({problem["error_class"] for problem in unexpected}))
                done = (
                    f"reported errors that the test did not expect: {classes}" if classes else "sent a rejected report"
                )
                raise AssertionError(f"The program {done}.\n{report['text']}")
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return
            with suppress(AssertionError):  # nothing new was received; a request in progress may have been counted
                self.wait_for_requests(received + 1, timeout=min(remaining, LOOK_AGAIN_SECONDS))

    def _is_expected(self, problem: Problem) -> bool:
        if problem["id"] in self._expected:
            return True
        reported = problem["error_class"]
        return any(
            (not error_class or reported == error_class or reported.endswith((f".{error_class}", f"::{error_class}")))
            and (not message or message in (problem["error_message"] or ""))
            for error_class, message in self._expectations
        )

    def reset(self) -> None:
        """Forget problems, requests, faults and expectations; the keys stay valid."""
        self._control_request("POST", "/reset")
        self._expected.clear()
        self._expectations.clear()

    def close(self) -> None:
        """Remove the app with everything that was reported to it."""
        self._remove(self.slug)
        self.disconnect()

    def disconnect(self) -> None:
        """Close the client's connections; the app stays."""
        self.client.close()

    def _control_request(self, method: str, path: str, **query: Any) -> Any:
        __tracebackhide__ = True
        return control_request(self._control, method, path, app=self.slug, **query)


class AppFaults:
    """Sets faults for reports to an app: for the next ``times`` reports, or for all until `reset`."""

    def __init__(self, control: ServerConnection, slug: str) -> None:
        self._control, self._slug = control, slug

    def answer(self, status: int, *, retry_after: int | None = None, times: int | None = None) -> None:
        """Respond with this status (400 to 599), and with ``Retry-After`` if given; for a 429, 60 by default."""
        self._set(fault="status", status=status, retry_after=retry_after, times=times)

    def hang(self, *, times: int | None = None) -> None:
        """Do not respond until the client gives up."""
        self._set(fault="hang", times=times)

    def cut(self, *, times: int | None = None) -> None:
        """Close the connection without a response."""
        self._set(fault="cut", times=times)

    def slow(self, seconds: float, *, times: int | None = None) -> None:
        """Store the report and respond ``seconds`` later."""
        self._set(fault="slow", seconds=seconds, times=times)

    def reset(self) -> None:
        """Remove all faults; reports that are being delayed continue."""
        control_request(self._control, "DELETE", "/faults", app=self._slug)

    def _set(self, **fault: Any) -> None:
        fields = {name: value for name, value in fault.items() if value is not None}
        control_request(self._control, "POST", "/faults", {**fields, "app": self._slug})
