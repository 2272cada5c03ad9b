"""The server in fixture mode: the real app with a temporary database, a journal, faults, and an app per test."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import delete, event, text

from checkend import config
from checkend.app import create_app
from checkend.auth.permissions import ALL_PERMISSIONS
from checkend.client.sdk_environment import sdk_environment
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.ingest.exceptions import UnknownKeyError
from checkend.ingest.pipeline import ingestion
from checkend.models import ApiKey, App, Problem
from checkend.models.problem_list import ProblemFilter, find_problems
from checkend.models.scope import AppScope
from checkend.models.selection import ProblemSelection, delete_app_in_batches, delete_in_batches
from checkend.schemas.problem import ProblemSchema
from checkend.services import services
from checkend.testing import diagnostics
from checkend.testing.faults import Faults
from checkend.testing.journal import Journal, JournalEntry
from checkend.testing.types import Access

# Settings in the environment are ignored, so that no test depends on them. Every report is stored as a notice: tests
# can count notices without considering duplicates.
SETTINGS: dict[str, Any] = {
    **{setting.name: setting.default for setting in config.SETTINGS},
    "LOG_LEVEL": "error",
    "NOTICE_DEDUP_ENABLED": False,
    "RATE_LIMIT_ENABLED": False,
    "THREADS": 32,
}
_PROBLEMS = ProblemSchema(many=True)


class AppNotFoundError(LookupError):
    """The fixture has no app with this slug."""


class _FixtureApp:
    """An app of the fixture: its ids and key, and the number of the last request before it was created or reset."""

    def __init__(self, app: App, key: ApiKey, since: int) -> None:
        self.app_id, self.key_id, self.ingestion_key, self.since = app.id, key.id, app.ingestion_key, since


class Fixture:
    """The app served in fixture mode, and the operations of its control routes.

    The runner sets ``url`` and ``host``.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.app = create_app(SETTINGS | settings, instance_path=folder)
        self.url, self.host = "", "127.0.0.1"
        self.journal = Journal()
        self.faults = Faults()
        self._apps: dict[str, _FixtureApp] = {}
        self._removed: dict[str, str] = {}  # slugs by ingestion key
        with self.app.app_context():  # nothing needs to survive the process, so do not wait for the disk
            event.listen(db.engine, "connect", lambda connection, record: connection.execute("PRAGMA synchronous=OFF"))
            db.engine.dispose()

    # Apps

    def create_app(self, name: str) -> Access:
        """Create an app, and an API key with all permissions."""
        with self.app.app_context(), write_transaction():
            app = App.create(name)
            key, api_key = ApiKey.create(f"for {app.slug}", ALL_PERMISSIONS)
            fixture_app = _FixtureApp(app, key, self.journal.received)
            access: Access = {
                "url": self.url,
                "ingestion_key": app.ingestion_key,
                "api_key": api_key,
                "app": app.slug,
                "env": sdk_environment(self.url, app.ingestion_key),
                "pid": os.getpid(),
            }
        self._apps[access["app"]] = fixture_app
        return access

    def remove_app(self, slug: str) -> None:
        """Remove an app with its problems, faults and requests; with the last app, everything in the database.

        Raises `AppNotFoundError`.
        """
        fixture_app = self._get(slug)
        del self._apps[slug]
        self._removed[fixture_app.ingestion_key] = slug
        self.faults.clear(slug)
        self.journal.forget(lambda entry: entry.app == slug or not self._apps)
        with self.app.app_context(), write_transaction():
            if not self._apps:
                _empty_database()
            elif app := db.session.get(App, fixture_app.app_id):
                _exhaust(delete_app_in_batches(app))
            db.session.execute(delete(ApiKey).where(ApiKey.id == fixture_app.key_id))

    def reset(self, slug: str | None) -> None:
        """Forget the problems, requests and faults of an app (None: of all), and requests without a known key.

        Apps and keys stay. Raises `AppNotFoundError`.
        """
        fixture_apps = [self._get(slug)] if slug else list(self._apps.values())
        self.faults.clear(slug)
        self.journal.forget(lambda entry: slug is None or entry.app in (slug, None))
        for fixture_app in fixture_apps:
            fixture_app.since = self.journal.received
        with self.app.app_context(), write_transaction():
            _exhaust(delete_in_batches(ProblemSelection(AppScope.of(one.app_id for one in fixture_apps))))

    @property
    def first_app(self) -> str:
        """The slug of the oldest existing app. Raises `AppNotFoundError`."""
        for slug in self._apps:
            return slug
        raise AppNotFoundError("The fixture has no app.")

    def _get(self, slug: str) -> _FixtureApp:
        if slug not in self._apps:
            raise AppNotFoundError(f"The fixture has no app {slug!r}.")
        return self._apps[slug]

    def app_of(self, ingestion_key: str) -> str | None:
        """Return the slug of the app with this ingestion key, or None if there is none."""
        try:
            app_id = ingestion(self.app).apps.find(ingestion_key).app_id
        except UnknownKeyError:
            return None
        return next((slug for slug, fixture_app in list(self._apps.items()) if fixture_app.app_id == app_id), None)

    # What was reported

    def problems(self, slug: str) -> list[dict[str, Any]]:
        """Return the problems of an app as the API does, latest first. Raises `AppNotFoundError`."""
        return self._dump(slug, lambda problem: True)

    def find(self, slug: str, error_class: str | None, message: str | None, count: int) -> dict[str, Any] | None:
        """Return the latest problem of this class, with ``message`` in a message, and ``count`` occurrences or more."""

        def matches(problem: Problem) -> bool:
            if problem.occurrences < count or (error_class and not _is_class(problem.error_class, error_class)):
                return False
            return not message or any(message in text for text in _messages(problem))

        return next(iter(self._dump(slug, matches)), None)

    def _dump(self, slug: str, matches: Callable[[Problem], bool]) -> list[dict[str, Any]]:
        app_id = self._get(slug).app_id
        with self.app.app_context():
            problems: list[Problem] = list(db.session.scalars(find_problems(AppScope.of([app_id]), ProblemFilter())))
            dumped: list[dict[str, Any]] = _PROBLEMS.dump([problem for problem in problems if matches(problem)])
            return dumped

    def requests(self, slug: str) -> list[JournalEntry]:
        """Return the requests since the app was created, except for those with the key of another app.

        Raises `AppNotFoundError`.
        """
        return [entry for entry in self.journal.since(self._get(slug).since) if entry.app in (slug, None)]

    def rejected(self, slug: str) -> list[JournalEntry]:
        """Return those of `requests` that look like reports and failed, but not because of a fault."""
        return [entry for entry in self.requests(slug) if diagnostics.is_rejected(entry) and not entry.fault]

    def explain(self, slug: str) -> str:
        """Return what was reported, what was rejected and why, and likely causes. Raises `AppNotFoundError`."""
        return diagnostics.explain(self.problems(slug), self.requests(slug), self.url, self._describe_key)

    def _describe_key(self, key: str) -> str:
        if key in self._removed:
            return f"the ingestion key of app {self._removed[key]!r}, which was removed: its program is still running"
        return "not an ingestion key of this server"

    # Shutdown

    def close(self) -> None:
        """End all waits, and close the database."""
        self.release()
        services(self.app).close()
        with self.app.app_context():
            db.engine.dispose()

    def release(self) -> None:
        """End the waits and faults that delay requests."""
        self.faults.clear()
        self.journal.close()


def _is_class(reported: str, expected: str) -> bool:
    """Return whether they are equal, or ``reported`` is ``expected`` with a module or namespace."""
    return reported == expected or reported.endswith((f".{expected}", f"::{expected}", f"\\{expected}"))


def _messages(problem: Problem) -> Iterable[str]:
    yield problem.first_message
    for notice in problem.notices:
        yield notice.error_message or ""


def _empty_database() -> None:
    """Delete all rows. Only tables that contain some: most are empty, and a DELETE for each dominated a test's cost."""
    tables = {table.name: table for table in reversed(db.metadata.sorted_tables)}
    query = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in tables)
    filled = set(db.session.scalars(text(query)))
    for name, table in tables.items():
        if name in filled:
            db.session.execute(delete(table))


def _exhaust(batches: Iterable[object]) -> None:
    for _ in batches:
        pass
