"""Find the app that an ingestion key belongs to."""

import threading
from pathlib import Path

from checkend.db.connection import DatabaseConnection, connect
from checkend.db.session import REQUEST_LOCK_SECONDS
from checkend.ingest.exceptions import UnknownKeyError
from checkend.ingest.reports import IngestApp

_APP_CACHE_SIZE = 1000


class IngestAppCache:
    """Find apps by ingestion key, from memory if possible, so that request threads need not touch SQLite. Thread-safe.

    A cached app may be out of date: the writer compares it with the database before it stores anything.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._connections: list[DatabaseConnection] = []
        self._apps: dict[str, IngestApp] = {}
        self.cached = self._apps.get  # returns None for a key that is not in memory

    def find(self, ingestion_key: str) -> IngestApp:
        """Return the key's app. Raises `UnknownKeyError`."""
        return self._apps.get(ingestion_key) or self.reload(ingestion_key)

    def reload(self, ingestion_key: str) -> IngestApp:
        """Return the key's app as it is in the database now. Raises `UnknownKeyError`."""
        self._apps.pop(ingestion_key, None)
        row = find_app(self._connection(), ingestion_key)
        if row is None:
            raise UnknownKeyError
        if len(self._apps) >= _APP_CACHE_SIZE:
            self._apps.clear()
        self._apps[ingestion_key] = row[0]
        return row[0]

    def close(self) -> None:
        """Close the connections of all threads."""
        while self._connections:
            self._connections.pop().close()

    def _connection(self) -> DatabaseConnection:
        connection: DatabaseConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self._path, timeout=REQUEST_LOCK_SECONDS)
            self._connections.append(connection)
        return connection


def find_app(connection: DatabaseConnection, ingestion_key: str) -> tuple[IngestApp, int, int] | None:
    """Return the key's app, the number of its problems and the bytes that it stores; None for an unknown key."""
    row = connection.execute(
        "SELECT id, environment, grouping_off, problems_count, stored_bytes, EXISTS (SELECT 1 FROM channels "
        "WHERE app_id = apps.id AND enabled AND watches_spikes) FROM apps WHERE ingestion_key = ?",
        (ingestion_key,),
    ).fetchone()
    if row is None:
        return None
    app_id, environment, grouping_off, problems, stored_bytes, watches_spikes = row
    disabled_rules = frozenset(grouping_off.split())
    app = IngestApp(ingestion_key, app_id, environment, disabled_rules, bool(watches_spikes))
    return app, problems, stored_bytes
