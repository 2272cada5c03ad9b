"""The routes below ``/_fixture/``, in fixture mode only.

They need no key, because the server is for one machine: see `checkend.server.loopback`.
"""

from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from checkend.schemas.unknown_parameters import unknown_parameters
from checkend.server.loopback import host_error, origin_error
from checkend.testing import diagnostics, faults
from checkend.testing._runner.fixture import AppNotFoundError, Fixture
from checkend.testing.faults import InvalidFaultError

DEFAULT_TIMEOUT = 5.0
MAX_SECONDS = 300.0
MAX_REPORTS = 1_000_000


class InvalidParameterError(ValueError):
    """A parameter or a body that cannot be read; the text says which, and what is allowed."""


# The parameters of each route; those of any other are none.
PARAMETERS = {
    "reset": ("app",),
    "wait": ("app", "count", "error_class", "message", "requests", "timeout"),
    "journal": ("app",),
    "report": ("app",),
    "clear_faults": ("app",),
}


def build(fixture: Fixture) -> Flask:
    """The WSGI application that answers what lies below ``/_fixture/``."""
    app = Flask("checkend.testing", static_folder=None)
    _answer_errors(app)
    _check_requests(app, fixture.host)
    _register_apps(app, fixture)
    _register_waits(app, fixture)
    _register_faults(app, fixture)
    return app


def _check_requests(app: Flask, host: str) -> None:
    @app.before_request
    def check() -> Any:
        """Reject requests from elsewhere, and parameters without effect, with which a test would pass for nothing."""
        if message := host_error(request.environ, also=host) or origin_error(request.environ):
            return {"error": message}, 403
        unknown = unknown_parameters(request.args, PARAMETERS.get(request.endpoint or "", ()))
        if unknown and request.endpoint is not None:
            raise InvalidParameterError(" ".join(unknown))
        return None


def _register_apps(app: Flask, fixture: Fixture) -> None:
    @app.post("/_fixture/apps")
    def make_app() -> tuple[Response, int]:
        """Make an app with keys of its own, as tests that run at the same time need it."""
        body = _body()
        if unknown := body.keys() - {"name"}:
            raise InvalidParameterError(f"Unknown field: {min(unknown)[:100]}.")
        name = body.get("name", "test")
        if not isinstance(name, str) or not name.strip():
            raise InvalidParameterError("name must be text.")
        return jsonify(fixture.make_app(name.strip()[:200])), 201

    @app.delete("/_fixture/apps/<slug>")
    def remove_app(slug: str) -> Response:
        """Remove such an app with all that was reported to it."""
        fixture.remove_app(slug)
        return _nothing()

    @app.post("/_fixture/reset")
    def reset() -> Response:
        """Forget problems, requests and faults, of one app or of all. Apps and keys stay."""
        fixture.reset(request.args.get("app") or None)
        return _nothing()


def _register_waits(app: Flask, fixture: Fixture) -> None:
    @app.get("/_fixture/wait")
    def wait() -> Any:
        """Wait for a problem, for requests, or (``count=0``) for nothing; 404 with the reasons when it was in vain."""
        slug = request.args.get("app") or fixture.first_app
        seconds = _float("timeout", DEFAULT_TIMEOUT)
        if request.args.get("requests"):
            if any(map(request.args.get, ("count", "error_class", "message"))):
                raise InvalidParameterError("requests cannot be combined with count, error_class or message.")
            return _wait_for_requests(fixture, slug, _integer("requests", 1), seconds)
        return _wait_for_problem(fixture, slug, _integer("count", 1), seconds)

    @app.get("/_fixture/journal")
    def journal() -> Any:
        """The raw requests received, oldest first: of one app and those without a known key, or all."""
        slug = request.args.get("app")
        entries = fixture.requests(slug) if slug else fixture.journal.since(0)
        return {"requests": [entry.as_json() for entry in entries]}

    @app.get("/_fixture/report")
    def report() -> Any:
        """What arrived, and what was refused and why, also as text."""
        slug = request.args.get("app") or fixture.first_app
        refused = [entry.as_json() for entry in fixture.refused(slug)]
        return {"problems": fixture.problems(slug), "refused": refused, "text": fixture.explain(slug)}


def _wait_for_problem(fixture: Fixture, slug: str, count: int, seconds: float) -> Any:
    error_class, message = request.args.get("error_class") or None, request.args.get("message") or None

    def look() -> dict[str, Any] | None:
        found = fixture.find(slug, error_class, message, max(count, 1))
        if found is None and count == 0 and not error_class and not message:
            return next(iter(entry.as_json() for entry in fixture.refused(slug)), None)  # type: ignore[return-value]  # a sign, not shown
        return found

    found = fixture.journal.wait(look, seconds)
    if count == 0 and found is None:
        return {"problem": None}
    if count > 0 and found is not None:
        return {"problem": found}
    wanted = diagnostics.describe_expectation(error_class, message, count)
    happened = f"{wanted} was to arrive, but one did" if count == 0 else f"{wanted} did not arrive within {seconds:g} s"
    return {"error": f"{happened}.\n{fixture.explain(slug)}"}, 404


def _wait_for_requests(fixture: Fixture, slug: str, count: int, seconds: float) -> Any:
    def look() -> Any:
        done = [entry for entry in fixture.requests(slug) if entry.finished]
        return done if len(done) >= count else None

    found = fixture.journal.wait(look, seconds)
    if found is not None:
        return {"requests": [entry.as_json() for entry in found]}
    number = len(fixture.requests(slug))
    return {"error": f"{count} requests were to come within {seconds:g} s; {number} did.\n{fixture.explain(slug)}"}, 404


def _register_faults(app: Flask, fixture: Fixture) -> None:
    @app.post("/_fixture/faults")
    def set_fault() -> Response:
        """Make the next reports, or all until reset, meet a fault."""
        fixture.faults.add(faults.read(_body()))
        return _nothing()

    @app.delete("/_fixture/faults")
    def clear_faults() -> Response:
        """Take back the faults of one app, or all; reports that are held up are let go."""
        fixture.faults.clear(request.args.get("app") or None)
        return _nothing()


def _answer_errors(app: Flask) -> None:
    @app.errorhandler(InvalidParameterError)
    @app.errorhandler(InvalidFaultError)
    def wrong(error: ValueError) -> tuple[Response, int]:
        return jsonify(error=str(error)), 422

    @app.errorhandler(AppNotFoundError)
    def no_such_app(error: AppNotFoundError) -> tuple[Response, int]:
        return jsonify(error=str(error)), 404

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> tuple[Response, int]:
        return jsonify(error=f"{request.method} {request.path}: {error.description}"), error.code or 500


def _nothing() -> Response:
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
