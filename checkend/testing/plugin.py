"""The pytest plugin: ``checkend_server`` and ``checkend``. Nothing is imported or started before a test asks.

``-p no:checkend`` switches it off.
"""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from checkend.server import sdk_conflict

if TYPE_CHECKING:
    from checkend.testing import CheckendApp, Server

MARKER = "checkend"
HELP = (
    "checkend(fail_on_unexpected=False, within=0): the test has an app of its own on a Checkend server; with "
    "fail_on_unexpected it fails when something is reported that it did not wait for or expect, at most within "
    "seconds after its end."
)
OPTIONS = {"fail_on_unexpected", "within"}


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known. Raises UsageError where the Python SDK is installed in the same environment."""
    if sdk_conflict.is_installed():
        raise pytest.UsageError(sdk_conflict.CONFLICT)
    config.addinivalue_line("markers", HELP)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test with the marker has the fixture, whether it names it or not."""
    for item in items:
        if item.get_closest_marker(MARKER) is None or not isinstance(item, pytest.Function):
            continue
        if "checkend" not in item.fixturenames:
            item.fixturenames.append("checkend")


@pytest.fixture(scope="session")
def checkend_settings() -> dict[str, Any]:
    """Checkend's settings for the session's server, by name. Override it in a conftest.py."""
    return {}


@pytest.fixture(scope="session")
def checkend_server(checkend_settings: dict[str, Any]) -> Iterator["Server"]:
    """A real Checkend server for the session, on a free port, with a temporary store; under xdist one a worker."""
    from checkend.exceptions import StartupError
    from checkend.testing import Server

    server = Server(settings=checkend_settings)
    try:
        server.start()
    except StartupError as error:
        pytest.fail(f"Checkend cannot start: {error}", pytrace=False)
    yield server
    server.stop()


@pytest.fixture
def checkend(checkend_server: "Server", request: pytest.FixtureRequest) -> Iterator["CheckendApp"]:
    """An app on the session's server for this test alone, with keys of its own."""
    app = checkend_server.new_app(request.node.name)
    yield app
    app.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that passed, where the marker says so and something unexpected was reported."""
    outcome = yield
    marker = item.get_closest_marker(MARKER)
    if marker is not None:
        options = _options(marker)
        app = getattr(item, "funcargs", {}).get("checkend")
        if options.get("fail_on_unexpected") and app is not None:
            _check(app, float(options.get("within", 0)))
    return outcome


def _check(app: "CheckendApp", within: float) -> None:
    try:
        app.assert_nothing_unexpected(within=within)
    except AssertionError as error:
        pytest.fail(str(error), pytrace=False)


def _options(marker: pytest.Mark) -> dict[str, Any]:
    unknown = set(marker.kwargs) - OPTIONS
    if marker.args or unknown:
        found = ", ".join([*map(repr, marker.args), *sorted(unknown)])
        pytest.fail(f"@pytest.mark.checkend takes {' and '.join(sorted(OPTIONS))} by name, not {found}.", pytrace=False)
    return dict(marker.kwargs)
