"""``checkend prune``."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from checkend.cli._support.output import json_option, open_database, print_json, print_table

if TYPE_CHECKING:
    from checkend.retention.removal import CleanupResult


@click.command(epilog="Example: CHECKEND_RETENTION_DAYS=30 checkend prune --dry-run")
@click.option("--dry-run", is_flag=True, help="Only say how many notices of each app would go.")
@click.option("--force", is_flag=True, help="Remove all that is overdue, even if the clock may have jumped.")
@json_option
def prune(dry_run: bool, force: bool, as_json: bool) -> None:
    """Remove the notices and problems that are overdue by the settings, now, and give their room back to the disk.

    A running server does the same every hour. Counts, charts and shares stay with their problems. Safe beside a server,
    and to interrupt. After a long time without reports, which a clock that has jumped looks like, only a share of all
    notices is removed by age (CHECKEND_RETENTION_MAX_SHARE); --force removes the rest.
    """
    with open_database():
        if dry_run:
            _forecast(as_json)
        else:
            _remove(as_json, force)


def _forecast(as_json: bool) -> None:
    from flask import current_app

    from checkend.db.session import db
    from checkend.models import App
    from checkend.retention.cleanup import count_expired, retention_limits

    counts = count_expired(retention_limits(current_app.config))
    rows = [(db.session.get_one(App, app_id).slug, count) for app_id, count in counts.items()]
    if as_json:
        print_json({"overdue": [{"app": slug, "notices": count} for slug, count in rows]})
    else:
        print_table(("app", "notices that would go"), rows, "No notice is overdue.")


def _remove(as_json: bool, force: bool) -> None:
    from flask import current_app

    from checkend.db.vacuum import file_usage
    from checkend.retention.cleanup import clean_up, retention_limits
    from checkend.retention.clock_guard import NO_LIMIT, AgeGuard
    from checkend.retention.removal import CleanupResult

    before, total, config = file_usage(), CleanupResult(), current_app.config
    guard = AgeGuard(NO_LIMIT if force else config["RETENTION_MAX_SHARE"])
    steps = clean_up(retention_limits(config), config["MAX_STORE_BYTES"], config["MAX_APP_BYTES"], guard=guard)
    for removed in _with_pauses(steps):
        total += removed
        click.echo(f"\r{total.notices:,} notices removed", nl=False, err=True)
    click.echo(err=True)
    after = file_usage()
    if guard.limited:
        click.echo("Overdue notices were left, since the clock may have jumped; --force removes them too.", err=True)
    if as_json:
        counts = {"notices": total.notices, "problems": total.problems, "backtraces": total.backtraces}
        print_json(counts | {"store_bytes": after.file_bytes, "limited": guard.limited})
    else:
        sizes = f"{before.file_bytes:,} bytes before, {after.file_bytes:,} now"
        counted = f"{total.notices:,} notices, {total.problems:,} problems and {total.backtraces:,} backtraces"
        click.echo(f"{counted} removed. The store: {sizes}.")


def _with_pauses(steps: "Iterator[CleanupResult]") -> "Iterator[CleanupResult]":
    """The steps, with pauses in which a server beside this command has its turn."""
    from checkend.retention.removal import CleanupResult

    began = time.monotonic()
    for removed in steps:
        yield removed
        if removed != CleanupResult():
            time.sleep(time.monotonic() - began)
        began = time.monotonic()
