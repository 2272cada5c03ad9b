"""``checkend prune``: retention on demand."""

import time
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import click

from checkend.cli._support.output import json_option, open_database, print_json, print_table

if TYPE_CHECKING:
    from checkend.retention.removal import CleanupResult


@click.command(epilog="Example: CHECKEND_RETENTION_DAYS=30 checkend prune --dry-run")
@click.option("--dry-run", is_flag=True, help="Remove nothing; print how many notices of each app are overdue.")
@click.option("--force", is_flag=True, help="Remove everything overdue, even if the clock may have jumped.")
@json_option
def prune(dry_run: bool, force: bool, as_json: bool) -> None:
    """Remove notices, problems and audit entries that are overdue according to the settings, and free their space.

    A running server does the same every hour. The counts, charts and facets of problems do not change. The command can
    run while a server is running, and can be interrupted at any time.

    If there have been no reports for a long time, the clock may have jumped. In this case, only a share of all notices
    is removed because of their age (CHECKEND_RETENTION_MAX_SHARE); --force removes the rest.
    """
    with open_database():
        if dry_run:
            _print_overdue(as_json)
        else:
            _remove(as_json, force)


def _print_overdue(as_json: bool) -> None:
    from flask import current_app

    from checkend.db.session import db
    from checkend.models import App
    from checkend.retention.cleanup import count_expired, retention_limits

    counts = count_expired(retention_limits(current_app.config))
    rows = [(db.session.get_one(App, app_id).slug, count) for app_id, count in counts.items()]
    if as_json:
        print_json({"overdue": [{"app": slug, "notices": count} for slug, count in rows]})
    else:
        print_table(("app", "overdue notices"), rows, "No notices are overdue.")


def _remove(as_json: bool, force: bool) -> None:
    from flask import current_app

    from checkend.db.vacuum import file_usage
    from checkend.retention.audit_entries import remove_audit_entries
    from checkend.retention.cleanup import clean_up, retention_limits
    from checkend.retention.clock_guard import NO_LIMIT, AgeGuard
    from checkend.retention.removal import CleanupResult

    before, total, config = file_usage(), CleanupResult(), current_app.config
    guard = AgeGuard(NO_LIMIT if force else config["RETENTION_MAX_SHARE"])
    audit_entries = remove_audit_entries(config["AUDIT_LOG_DAYS"], guard)
    steps = clean_up(retention_limits(config), config["MAX_STORE_BYTES"], config["MAX_APP_BYTES"], guard=guard)
    for removed in _with_pauses(chain(audit_entries, steps)):
        total += removed
        click.echo(f"\rRemoved {total.notices:,} notices", nl=False, err=True)
    click.echo(err=True)
    after = file_usage()
    if guard.limited:
        click.echo(
            "Some overdue notices were kept, because the clock may have jumped. Use --force to remove them.", err=True
        )
    if as_json:
        counts = {"notices": total.notices, "problems": total.problems, "backtraces": total.backtraces}
        counts["audit_entries"] = total.audit_entries
        print_json(counts | {"store_bytes": after.file_bytes, "limited": guard.limited})
    else:
        sizes = f"{before.file_bytes:,} bytes before, {after.file_bytes:,} bytes now"
        removals = f"{total.notices:,} notices, {total.problems:,} problems, {total.backtraces:,} backtraces"
        click.echo(f"Removed {removals} and {total.audit_entries:,} audit entries. Database file: {sizes}.")


def _with_pauses(steps: "Iterator[CleanupResult]") -> "Iterator[CleanupResult]":
    """Yield the result of each step, then pause for as long as it took, so that a running server can write."""
    from checkend.retention.removal import CleanupResult

    started = time.monotonic()
    for removed in steps:
        yield removed
        if removed != CleanupResult():
            time.sleep(time.monotonic() - started)
        started = time.monotonic()
