"""The releases that each app has reported from, and when it first did."""

from checkend.db.connection import DatabaseConnection

RELEASE_FACET = "revision"
MAX_RELEASES = 1_000  # per app; the oldest is forgotten for a new one
_CACHED_APPS = 50


class KnownReleases:
    """Record new releases, and remember those of recent apps in memory. For one thread at a time."""

    def __init__(self) -> None:
        self._apps: dict[int, dict[str, int]] = {}

    def forget(self) -> None:
        """Clear the memory, which is out of date after another connection has written or a batch was rolled back."""
        self._apps.clear()

    def record(self, connection: DatabaseConnection, app_id: int, name: str, received_at: int) -> None:
        """Store that the app reported from the release, unless that is known."""
        known = self._of_app(connection, app_id)
        if name in known:
            return
        if len(known) >= MAX_RELEASES:
            oldest = next(iter(known))
            del known[oldest]
            connection.execute("DELETE FROM app_releases WHERE app_id = ? AND name = ?", (app_id, oldest))
        known[name] = received_at
        connection.execute(
            "INSERT INTO app_releases (app_id, name, first_seen_at) VALUES (?, ?, ?)", (app_id, name, received_at)
        )

    def first_seen_at(self, connection: DatabaseConnection, app_id: int, name: str) -> int:
        """Return when the app first reported from the release, in µs; 0 if that is not known."""
        return self._of_app(connection, app_id).get(name, 0)

    def _of_app(self, connection: DatabaseConnection, app_id: int) -> dict[str, int]:
        """Return the times by release, oldest first."""
        known = self._apps.get(app_id)
        if known is None:
            rows = connection.execute(
                "SELECT name, first_seen_at FROM app_releases WHERE app_id = ? ORDER BY first_seen_at", (app_id,)
            )
            if len(self._apps) >= _CACHED_APPS:
                self._apps.clear()
            known = self._apps[app_id] = dict(rows.fetchall())
        return known
