"""The server in fixture mode: the real app over a temporary store, with its journal, its faults and its apps."""

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
from checkend.db.transactions import begin_writing
from checkend.ingest.exceptions import UnknownKeyError
from checkend.ingest.pipeline import ingestion
from checkend.models import ApiKey, App, Problem
from checkend.models.problem import ProblemFilter, find_problems
from checkend.models.scope import AppScope
from checkend.models.selection import ProblemSelection, delete_app_in_batches, delete_in_batches
from checkend.schemas.problem import ProblemSchema
from checkend.services import services
from checkend.testing import diagnostics
from checkend.testing.faults import Faults
from checkend.testing.journal import Journal, JournalEntry
from checkend.testing.types import Access

# Whatever the environment says: no test depends on it. Each report is a notice of its own, however often it comes.
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
    """An app of the fixture: its ids, and the number of the last request before it was made."""

    def __init__(self, app: App, key: ApiKey, since: int) -> None:
        self.app_id, self.key_id, self.ingestion_key, self.since = app.id, key.id, app.ingestion_key, since


class Fixture:
    """What a server in fixture mode can do beyond serving. ``url`` and ``host`` are set once it listens."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.app = create_app(SETTINGS | settings, instance_path=folder)
        self.url, self.host = "", "127.0.0.1"
        self.journal = Journal()
        self.faults = Faults()
        self._made: dict[str, _FixtureApp] = {}
        self._gone: dict[str, str] = {}
        with self.app.app_context():  # what dies with its process need not be on the disk
            event.listen(db.engine, "connect", lambda connection, record: connection.execute("PRAGMA synchronous=OFF"))
            db.engine.dispose()

    # Apps

    def make_app(self, name: str) -> Access:
        """A new app with an API key that may do everything."""
        with self.app.app_context():
            begin_writing()
            app = App.create(name)
            key, api_key = ApiKey.create(f"for {app.slug}", ALL_PERMISSIONS)
            made = _FixtureApp(app, key, self.journal.received)
            db.session.commit()
            self._made[app.slug] = made
            return {
                "url": self.url,
                "ingestion_key": app.ingestion_key,
                "api_key": api_key,
                "app": app.slug,
                "env": sdk_environment(self.url, app.ingestion_key),
                "pid": os.getpid(),
            }

    def remove_app(self, slug: str) -> None:
        """Remove an app with all that concerns it; with the last one everything in the store.

        Raises `AppNotFoundError`.
        """
        made = self._get(slug)
        del self._made[slug]
        self._gone[made.ingestion_key] = slug
        self.faults.clear(slug)
        self.journal.forget(lambda entry: entry.app == slug or not self._made)
        with self.app.app_context():
            begin_writing()
            if not self._made:
                _empty_store()
            elif app := db.session.get(App, made.app_id):
                _run_all(delete_app_in_batches(app))
            db.session.execute(delete(ApiKey).where(ApiKey.id == made.key_id))
            db.session.commit()

    def reset(self, slug: str | None) -> None:
        """Forget problems, requests and faults: of an app, or of all and whatever came without a known key.

        Apps and keys stay. Raises `AppNotFoundError`.
        """
        made = [self._get(slug)] if slug else list(self._made.values())
        self.faults.clear(slug)
        self.journal.forget(lambda entry: slug is None or entry.app in (slug, None))
        for one in made:
            one.since = self.journal.received
        with self.app.app_context():
            begin_writing()
            _run_all(delete_in_batches(ProblemSelection(AppScope.of(one.app_id for one in made))))
            db.session.commit()

    @property
    def first_app(self) -> str:
        """The slug of the oldest app that is left. Raises `AppNotFoundError`."""
        for slug in self._made:
            return slug
        raise AppNotFoundError("The fixture has no app.")

    def _get(self, slug: str) -> _FixtureApp:
        if slug not in self._made:
            raise AppNotFoundError(f"The fixture has no app {slug!r}.")
        return self._made[slug]

    def app_of(self, ingestion_key: str) -> str | None:
        """The slug of the app with this key; None for a key that is no app's."""
        try:
            app_id = ingestion(self.app).apps.find(ingestion_key).app_id
        except UnknownKeyError:
            return None
        return next((slug for slug, made in list(self._made.items()) if made.app_id == app_id), None)

    # What was reported

    def problems(self, slug: str) -> list[dict[str, Any]]:
        """The problems of an app as the API shows them, the latest first. Raises `AppNotFoundError`."""
        return self._dump(slug, lambda problem: True)

    def find(self, slug: str, error_class: str | None, message: str | None, count: int) -> dict[str, Any] | None:
        """The problem that was reported ``count`` times or more, by class and part of the message; else None."""

        def fits(problem: Problem) -> bool:
            if problem.occurrences < count or (error_class and not _is_class(problem.error_class, error_class)):
                return False
            return not message or any(message in text for text in _messages(problem))

        found = self._dump(slug, fits)
        return found[0] if found else None

    def _dump(self, slug: str, fits: Callable[[Problem], bool]) -> list[dict[str, Any]]:
        app_id = self._get(slug).app_id
        with self.app.app_context():
            problems: list[Problem] = list(db.session.scalars(find_problems(AppScope.of([app_id]), ProblemFilter())))
            dumped: list[dict[str, Any]] = _PROBLEMS.dump([problem for problem in problems if fits(problem)])
            return dumped

    def requests(self, slug: str) -> list[JournalEntry]:
        """The requests since the app was made that are not known to be another app's. Raises `AppNotFoundError`."""
        return [entry for entry in self.journal.since(self._get(slug).since) if entry.app in (slug, None)]

    def refused(self, slug: str) -> list[JournalEntry]:
        """Those of `requests` that look like reports and came to nothing, without a fault that was asked for."""
        return [entry for entry in self.requests(slug) if diagnostics.is_rejected(entry) and not entry.fault]

    def explain(self, slug: str) -> str:
        """What arrived, what was refused and why, and the likely causes, as text. Raises `AppNotFoundError`."""
        return diagnostics.explain(self.problems(slug), self.requests(slug), self.url, self._key_kind)

    def _key_kind(self, key: str) -> str:
        if key in self._gone:
            return f"the ingestion key of {self._gone[key]!r}, which is over: its program still runs"
        return "no ingestion key of this server"

    # The end

    def close(self) -> None:
        """Let go of whoever waits, and of the store."""
        self.release()
        services(self.app).close()
        with self.app.app_context():
            db.engine.dispose()

    def release(self) -> None:
        """End the waits and faults that hold requests up."""
        self.faults.clear()
        self.journal.close()


def _is_class(found: str, wanted: str) -> bool:
    """Whether they are equal, or ``found`` is ``wanted`` within a module or namespace."""
    return found == wanted or found.endswith((f".{wanted}", f"::{wanted}", f"\\{wanted}"))


def _messages(problem: Problem) -> Iterable[str]:
    yield problem.first_message
    for notice in problem.notices:
        yield notice.error_message or ""


def _empty_store() -> None:
    """Remove every row there is. Most tables are empty; a statement for each would be most of a test's cost."""
    tables = {table.name: table for table in reversed(db.metadata.sorted_tables)}
    filled = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in tables)
    found = set(db.session.scalars(text(filled)))
    for name, table in tables.items():
        if name in found:
            db.session.execute(delete(table))


def _run_all(steps: Iterable[object]) -> None:
    for _ in steps:
        pass
