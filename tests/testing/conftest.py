"""A server in fixture mode for these tests, which do not need the plugin to be installed."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkend.testing import CheckendApp, Server


@pytest.fixture(autouse=True)
def _temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide a folder for temporary files in which no other process creates or removes fixtures."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)


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
