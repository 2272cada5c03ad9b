"""Databases for the benchmarks: an empty one, and one with 10,000 problems and 1,000,000 notices."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from checkend import clock
from checkend.app import create_database_app
from checkend.auth.permissions import ALL_PERMISSIONS
from checkend.db.compression import compress
from checkend.db.connection import DATABASE_FILE_NAME
from checkend.db.search import fold
from checkend.db.transactions import write_transaction
from checkend.models import ApiKey, App, User

EMAIL, PASSWORD = "bench@example.com", "correct horse"
HOUR = 3_600_000_000


def create_database(instance: Path) -> dict[str, str]:
    """Create a database with an app, an API key and a site admin; return its ingestion key, slug and API key."""
    app = create_database_app({}, instance_path=instance)
    with app.app_context():
        with write_transaction():
            User.create(EMAIL, PASSWORD, site_admin=True)
            shop = App.create("Shop", environment="production")
            _, api_key = ApiKey.create("bench", ALL_PERMISSIONS)
        return {"ingestion_key": shop.ingestion_key, "slug": shop.slug, "api_key": api_key}


def fill(instance: Path, problems: int, notices: int) -> None:
    """Insert problems and notices, spread over 80 days, with their counters and facets."""
    now = clock.to_micros(clock.now())
    each = notices // problems
    payloads = [
        compress(
            {"context": {"environment": "production"}, "request": {"url": f"/{n}"}, "user": {"id": n}, "notifier": {}}
        )
        for n in range(100)
    ]
    with closing(sqlite3.connect(instance / DATABASE_FILE_NAME, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        (app_id,) = connection.execute("SELECT id FROM apps").fetchone()
        traces = [
            (n.to_bytes(16, "big"), compress([f"/srv/app/{i}.py:{n} in f{i}" for i in range(30)])) for n in range(2000)
        ]
        connection.executemany("INSERT INTO backtraces (digest, packed) VALUES (?, ?)", traces)
        for n in range(problems):
            last = now - n * 80 * 24 * HOUR // problems
            message = f"invalid literal {n} for int() with base 10: {json.dumps({'row': n})}"
            cursor = connection.execute(
                "INSERT INTO problems (app_id, error_class, error_message, fingerprint, grouping_version, "
                "grouping_reason, location, search_text, status, notices_count, deduplicated_count, first_noticed_at, "
                "last_noticed_at, resolved_at, created_at, updated_at) "
                "VALUES (?, ?, ?, ?, 1, '', 'fail (app.py)', ?, ?, ?, 0, ?, ?, ?, ?, ?)",
                (
                    app_id,
                    f"Error{n % 50}",
                    message,
                    f"seed-{n}",
                    fold(f"Error{n % 50}\n{message}"),
                    "resolved" if n % 5 == 0 else "unresolved",
                    each,
                    last - each * HOUR,
                    last,
                    last if n % 5 == 0 else None,
                    last,
                    last,
                ),
            )
            problem = cursor.lastrowid
            connection.executemany(
                "INSERT INTO notices (problem_id, backtrace_id, occurred_at, created_at, payload) "
                "VALUES (?, ?, ?, ?, ?)",
                [(problem, 1 + (n * 7 + i) % 2000, last - i * HOUR, last, payloads[i % 100]) for i in range(each)],
            )
            connection.executemany(
                "INSERT INTO problem_hours VALUES (?, ?, 1)",
                [(problem, (last - i * HOUR) // HOUR * HOUR) for i in range(each)],
            )
            connection.executemany(
                "INSERT INTO problem_facets VALUES (?, ?, ?, ?)",
                [(problem, "environment", "production", each), (problem, "host", f"web-{n % 9}", each)],
            )
        connection.execute(
            "INSERT INTO app_hours SELECT ?, hour, sum(count) FROM problem_hours GROUP BY hour", (app_id,)
        )
        connection.execute(
            "UPDATE apps SET problems_count = (SELECT count(*) FROM problems), "
            "unresolved_problems_count = (SELECT count(*) FROM problems WHERE status = 'unresolved'), "
            "stored_bytes = (SELECT sum(100 + length(payload)) FROM notices)"
        )
        connection.execute("COMMIT")
