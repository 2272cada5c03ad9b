"""A server in fixture mode for these tests, which do not need the plugin to be installed."""

from collections.abc import Iterator

import pytest

from checkend.testing import CheckendApp, Server


@pytest.fixture(scope="session")
def fixture_server() -> Iterator[Server]:
    """One server in fixture mode for all tests."""
    with Server() as server:
        yield server


@pytest.fixture
def tested(fixture_server: Server) -> Iterator[CheckendApp]:
    """An app of its own for a test."""
    with fixture_server.new_app("tested") as app:
        yield app
