"""Pytest plugin with the fixtures ``checkend_server`` and ``checkend``.

Nothing is imported or started until a test uses one of them. ``-p no:checkend`` turns the plugin off.
"""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from checkend.server import sdk_conflict

if TYPE_CHECKING:
    from checkend.testing import CheckendApp, Server

MARKER = "checkend"
HELP = (
    "checkend(fail_on_unexpected=False, within=0): give the test an app of its own on a Checkend server; with "
    "fail_on_unexpected, fail it if anything is reported that it neither waited for nor expected, up to `within` "
    "seconds after its end."
)
OPTIONS = {"fail_on_unexpected", "within"}


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker. Raises UsageError if the Python SDK is installed in the same environment."""
    if sdk_conflict.is_installed():
        raise pytest.UsageError(sdk_conflict.CONFLICT)
    config.addinivalue_line("markers", HELP)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the fixture to tests with the marker that do not request it."""
    for item in items:
        if item.get_closest_marker(MARKER) is None or not isinstance(item, pytest.Function):
            continue
        if "checkend" not in item.fixturenames:
            item.fixturenames.append("checkend")


@pytest.fixture(scope="session")
def checkend_settings() -> dict[str, Any]:
    """Return settings for the session's server, by name. Override this fixture in a conftest.py."""
    return {}


@pytest.fixture(scope="session")
def checkend_server(checkend_settings: dict[str, Any]) -> Iterator["Server"]:
    """Start a real Checkend server for the session, with a temporary database; one per xdist worker."""
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
    """Create an app on the session's server, with keys of its own, for this test only."""
    app = checkend_server.new_app(request.node.name)
    yield app
    app.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that passed if its marker requires it and something unexpected was reported."""
    outcome = yield
    marker = item.get_closest_marker(MARKER)
    if marker is not None:
        options = _options(marker)
        app = getattr(item, "funcargs", {}).get("checkend")
        if options.get("fail_on_unexpected") and app is not None:
            try:
                app.assert_nothing_unexpected(within=float(options.get("within", 0)))
            except AssertionError as error:
                pytest.fail(str(error), pytrace=False)
    return outcome


def _options(marker: pytest.Mark) -> dict[str, Any]:
    unknown = set(marker.kwargs) - OPTIONS
    if marker.args or unknown:
        rejected = ", ".join([*map(repr, marker.args), *sorted(unknown)])
        accepted = " and ".join(sorted(OPTIONS))
        pytest.fail(f"@pytest.mark.checkend accepts the keywords {accepted}, but not {rejected}.", pytrace=False)
    return dict(marker.kwargs)
