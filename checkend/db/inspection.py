"""Quick looks at a database file, by read-only connections that change nothing."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

_STEPS = 100_000  # virtual machine instructions between two looks at the clock


def quick_check(path: Path, seconds: float) -> tuple[bool, list[str]]:
    """Return whether the pages of the file could be checked within ``seconds``, and the first error among them."""
    until = time.monotonic() + seconds
    with closing(_open(path)) as database:
        database.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        try:
            results = [result for (result,) in database.execute("PRAGMA quick_check(1)")]
        except sqlite3.OperationalError as error:
            if time.monotonic() > until:
                return False, []
            return True, [str(error)]
        except sqlite3.DatabaseError as error:
            return True, [str(error)]
    return True, [result for result in results if result != "ok"]


def newest_notice_micros(path: Path) -> int | None:
    """Return when the newest notice was stored, in microseconds since 1970; None if there is none, or no database."""
    try:
        with closing(_open(path)) as database:
            row = database.execute("SELECT created_at FROM notices ORDER BY id DESC LIMIT 1").fetchone()
    except sqlite3.DatabaseError:  # another check reports it
        return None
    return int(row[0]) if row else None


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
