"""Routes below ``/_fixture/``, which exist in fixture mode only.

They require no key, but respond only to requests from this machine: see `checkend.server.loopback`.
"""

from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from checkend.schemas.unknown_parameters import unknown_parameters
from checkend.server.loopback import host_error, origin_error
from checkend.testing import diagnostics
from checkend.testing._runner.fixture import AppNotFoundError, Fixture
from checkend.testing.faults import InvalidFaultError, parse_fault
from checkend.testing.journal import JournalEntry

DEFAULT_TIMEOUT = 5.0
MAX_SECONDS = 300.0
MAX_REPORTS = 1_000_000
REJECTED: dict[str, Any] = {}  # found by a wait for the absence of problems: a report that was rejected


class InvalidParameterError(ValueError):
    """A parameter or body is invalid; the message states which, and what is allowed."""


# The parameters of each route; all others have none.
PARAMETERS = {
    "reset": ("app",),
    "wait": ("app", "count", "error_class", "message", "requests", "timeout"),
    "journal": ("app",),
    "report": ("app",),
    "clear_faults": ("app",),
}


def build(fixture: Fixture) -> Flask:
    """Return the WSGI application with the routes below ``/_fixture/``."""
    app = Flask("checkend.testing", static_folder=None)
    _register_error_handlers(app)
    _check_requests(app, fixture.host)
    _register_apps(app, fixture)
    _register_waits(app, fixture)
    _register_faults(app, fixture)
    return app


def _check_requests(app: Flask, host: str) -> None:
    @app.before_request
    def check() -> Any:
        """Reject requests from other machines, and unknown parameters: a misspelled one could make a test pass."""
        if message := host_error(request.environ, also=host) or origin_error(request.environ):
            return {"error": message}, 403
        unknown = unknown_parameters(request.args, PARAMETERS.get(request.endpoint or "", ()))
        if unknown and request.endpoint is not None:
            raise InvalidParameterError(" ".join(unknown))
        return None


def _register_apps(app: Flask, fixture: Fixture) -> None:
    @app.post("/_fixture/apps")
    def create_app() -> tuple[Response, int]:
        """Create an app with keys of its own, for tests that run at the same time."""
        body = _body()
        if unknown := body.keys() - {"name"}:
            raise InvalidParameterError(f"Unknown field: {min(unknown)[:100]}.")
        name = body.get("name", "test")
        if not isinstance(name, str) or not name.strip():
            raise InvalidParameterError("name must be a non-blank string.")
        return jsonify(fixture.create_app(name.strip()[:200])), 201

    @app.delete("/_fixture/apps/<slug>")
    def remove_app(slug: str) -> Response:
        """Remove an app with everything that was reported to it."""
        fixture.remove_app(slug)
        return _no_content()

    @app.post("/_fixture/reset")
    def reset() -> Response:
        """Forget the problems, requests and faults of one app or of all; apps and keys stay."""
        fixture.reset(request.args.get("app") or None)
        return _no_content()


def _register_waits(app: Flask, fixture: Fixture) -> None:
    @app.get("/_fixture/wait")
    def wait() -> Any:
        """Wait for a problem, for requests, or with ``count=0`` for none; 404 with an explanation."""
        slug = request.args.get("app") or fixture.first_app
        seconds = _float("timeout", DEFAULT_TIMEOUT)
        if request.args.get("requests"):
            if any(map(request.args.get, ("count", "error_class", "message"))):
                raise InvalidParameterError("requests cannot be combined with count, error_class or message.")
            return _wait_for_requests(fixture, slug, _integer("requests", 1), seconds)
        return _wait_for_problem(fixture, slug, _integer("count", 1), seconds)

    @app.get("/_fixture/journal")
    def journal() -> Any:
        """Return the raw requests received, oldest first: all, or those of one app and those without a known key."""
        slug = request.args.get("app")
        entries = fixture.requests(slug) if slug else fixture.journal.since(0)
        return {"requests": [entry.as_json() for entry in entries]}

    @app.get("/_fixture/report")
    def report() -> Any:
        """Return what was reported and what was rejected, and as ``text`` also why."""
        slug = request.args.get("app") or fixture.first_app
        rejected = [entry.as_json() for entry in fixture.rejected(slug)]
        return {"problems": fixture.problems(slug), "refused": rejected, "text": fixture.explain(slug)}


def _wait_for_problem(fixture: Fixture, slug: str, count: int, seconds: float) -> Any:
    error_class, message = request.args.get("error_class") or None, request.args.get("message") or None

    def find() -> dict[str, Any] | None:
        problem = fixture.find(slug, error_class, message, max(count, 1))
        if problem is None and count == 0 and not error_class and not message and fixture.rejected(slug):
            return REJECTED
        return problem

    result = fixture.journal.wait(find, seconds)
    if (count == 0) == (result is None):
        return {"problem": result}
    expectation = diagnostics.describe_expectation(error_class, message)
    if count == 0:
        outcome = (
            f"Expected no {expectation}, but {'a report was rejected' if result is REJECTED else 'one was reported'}"
        )
    else:
        outcome = f"No {expectation} was reported {f'{count} times ' if count > 1 else ''}within {seconds:g} s"
    return {"error": f"{outcome}.\n{fixture.explain(slug)}"}, 404


def _wait_for_requests(fixture: Fixture, slug: str, count: int, seconds: float) -> Any:
    def find() -> list[JournalEntry] | None:
        finished = [entry for entry in fixture.requests(slug) if entry.finished]
        return finished if len(finished) >= count else None

    finished = fixture.journal.wait(find, seconds)
    if finished is not None:
        return {"requests": [entry.as_json() for entry in finished]}
    outcome = f"Expected {count} requests within {seconds:g} s, but received {len(fixture.requests(slug))}"
    return {"error": f"{outcome}.\n{fixture.explain(slug)}"}, 404


def _register_faults(app: Flask, fixture: Fixture) -> None:
    @app.post("/_fixture/faults")
    def set_fault() -> Response:
        """Set a fault for the next reports, or for all until it is removed."""
        fixture.faults.add(parse_fault(_body()))
        return _no_content()

    @app.delete("/_fixture/faults")
    def clear_faults() -> Response:
        """Remove the faults of one app or of all; reports that are being delayed continue."""
        fixture.faults.clear(request.args.get("app") or None)
        return _no_content()


def _register_error_handlers(app: Flask) -> None:
    @app.errorhandler(InvalidParameterError)
    @app.errorhandler(InvalidFaultError)
    def invalid(error: ValueError) -> tuple[Response, int]:
        return jsonify(error=str(error)), 422

    @app.errorhandler(AppNotFoundError)
    def app_not_found(error: AppNotFoundError) -> tuple[Response, int]:
        return jsonify(error=str(error)), 404

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> tuple[Response, int]:
        return jsonify(error=f"{request.method} {request.path}: {error.description}"), error.code or 500


def _no_content() -> Response:
    return Response(status=204)


def _body() -> dict[str, Any]:
    if not request.get_data():
        return {}
    value = request.get_json(force=True, silent=True)
    if not isinstance(value, dict):
        raise InvalidParameterError("The body must be a JSON object.")
    return value


def _integer(name: str, default: int) -> int:
    text = request.args.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= MAX_REPORTS):
        raise InvalidParameterError(f"{name} must be a whole number from 0 to {MAX_REPORTS}.")
    return int(text)


def _float(name: str, default: float) -> float:
    try:
        seconds = float(request.args.get(name) or default)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_SECONDS:
        raise InvalidParameterError(f"{name} must be a number of seconds from 0 to {MAX_SECONDS:g}.")
    return seconds
