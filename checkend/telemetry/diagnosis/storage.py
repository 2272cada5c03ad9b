"""Checks of this machine's clock and disk, and of the database on it. They change no data."""

import os
import shutil
import stat
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from checkend import clock
from checkend.db import inspection, instance_lock, schema
from checkend.telemetry.diagnosis.finding import Finding

FSYNCS = 20
SLOW_FSYNC_MS = 50
MIN_FREE_BYTES = 200_000_000
LARGE_LOG_BYTES = 500_000_000
QUICK_CHECK_SECONDS = 20
MAX_AHEAD_SECONDS = 60


def check_clock(folder: Path) -> Finding:
    """Compare the clock with the newest record and with the last change to the database file."""
    now, path = clock.now(), schema.database_path(folder)
    shown = f"The clock says {clock.iso(now)}"
    if not path.exists():
        return Finding("clock", "ok", f"{shown}; there is no record to compare it with.")
    newest = max(path.stat().st_mtime, (inspection.newest_notice_micros(path) or 0) / 1_000_000)
    ahead = newest - now.timestamp()
    if ahead > MAX_AHEAD_SECONDS:
        fact = f"{shown}, but the database was last written {ahead:,.0f} seconds later."
        return Finding("clock", "error", fact, "Set the clock, and keep it right with NTP.")
    return Finding("clock", "ok", f"{shown}, which is after the last write to the database.")


def check_folder(folder: Path) -> Finding:
    """Check that the instance folder can be written to, and only by its owner."""
    if not folder.is_dir():
        advice = "Check CHECKEND_INSTANCE_PATH; `checkend serve` creates a new folder."
        return Finding("folder", "error", f"The instance folder {folder} does not exist.", advice)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        fact = f"No file can be created in {folder}: {error.strerror}."
        return Finding("folder", "error", fact, "Make the folder writable for the user that Checkend runs as.")
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        fact = f"Other users of this machine have access to {folder} (mode {mode:o}), which contains secrets."
        return Finding("folder", "warning", fact, f"Run `chmod 700 {folder}`.")
    return Finding("folder", "ok", f"{folder} is writable, and only its owner has access.")


def check_disk(folder: Path, settings: Mapping[str, Any]) -> Finding:
    """Compare the free disk space with the size of the database and with the limit on it."""
    from humanize import naturalsize

    free = shutil.disk_usage(folder).free
    path = schema.database_path(folder)
    size = path.stat().st_size if path.exists() else 0
    fact = f"{naturalsize(free)} are free, and the database takes {naturalsize(size)}."
    limit = settings["MAX_STORE_BYTES"]
    if free < MIN_FREE_BYTES:
        return Finding("disk", "error", fact, "Free some disk space: on a full disk, reports are rejected.")
    if free < size:
        return Finding("disk", "warning", fact, "Free some disk space: upgrades and backups copy the database.")
    if limit and limit - size > free:
        fact = f"{fact} CHECKEND_MAX_STORE_BYTES lets it grow to {naturalsize(limit)}."
        return Finding("disk", "warning", fact, "Free some disk space, or lower the limit.")
    return Finding("disk", "ok", fact)


def check_fsync(folder: Path) -> Finding:
    """Measure how long the disk takes to confirm a write, which each batch of reports waits for."""
    durations = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FSYNCS):
            file.write(b"\0" * 4096)
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            durations.append((time.perf_counter() - started) * 1000)
    median = statistics.median(durations)
    fact = f"The disk confirms a write in {median:.1f} ms (median of {FSYNCS}; slowest {max(durations):.1f} ms)."
    if median > SLOW_FSYNC_MS:
        advice = "Every report waits for this. Move the instance folder to a local disk, preferably an SSD."
        return Finding("fsync", "warning", fact, advice)
    return Finding("fsync", "ok", fact)


def check_database(folder: Path) -> Finding:
    """Check the version and the pages of the database, and the size of its write-ahead log."""
    from humanize import naturalsize

    path = schema.database_path(folder)
    version = schema.version(path)
    if version is None:
        advice = "Check CHECKEND_INSTANCE_PATH; `checkend serve` creates a new database."
        return Finding("database", "error", f"There is no database at {path}.", advice)
    complete, errors = inspection.quick_check(path, QUICK_CHECK_SECONDS)
    if errors:
        advice = "Run `checkend db check` to find out more, and restore a backup with `checkend db restore`."
        return Finding("database", "error", f"The database is damaged: {errors[0]}.", advice)
    if version != schema.HEAD:
        fact = f"The database has version {version}, and this Checkend needs {schema.HEAD}."
        return Finding("database", "error", fact, "Run `checkend db upgrade`, or the Checkend that belongs to it.")
    log = path.with_suffix(".sqlite3-wal")
    log_bytes = log.stat().st_size if log.exists() else 0
    if log_bytes > LARGE_LOG_BYTES:
        fact = f"The write-ahead log takes {naturalsize(log_bytes)}: something has been reading for a long time."
        return Finding("database", "warning", fact, "End programs that keep the database open, or restart the server.")
    if not complete:
        fact = f"Version {version}; too large to check its pages in {QUICK_CHECK_SECONDS} seconds."
        return Finding("database", "warning", fact, "Run `checkend db check`.")
    return Finding("database", "ok", f"Version {version}, intact, with a write-ahead log of {naturalsize(log_bytes)}.")


def check_server(folder: Path) -> Finding:
    """State whether a server is running on the database."""
    processes = instance_lock.running_servers(folder)
    if processes is None:
        return Finding("server", "warning", "No server is running on this database.", "Start it: `checkend serve`.")
    shown = instance_lock.format_processes(processes)
    if len(processes) > 1:
        advice = "That is safe, but each applies rate limits on its own. Stop all but one if it is not on purpose."
        return Finding("server", "warning", f"Several servers are running{shown}.", advice)
    return Finding("server", "ok", f"A server is running{shown}.")
