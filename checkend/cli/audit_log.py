"""``checkend audit-log``: who changed what."""

from datetime import UTC, datetime
from typing import Any

import click

from checkend.cli._support.options import parse_duration
from checkend.cli._support.output import CommandError, open_database


def parse_start(text: str) -> datetime:
    """Return the time ``12h``, ``30d`` or ``4w`` ago, or the date or time in ISO format; UTC unless it has an offset.

    Raises `click.BadParameter`.
    """
    from checkend import clock

    try:
        if (age := parse_duration(text)) is not None:
            return clock.now() - age
        start = datetime.fromisoformat(text.strip())
        return start if start.tzinfo else start.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is neither a duration such as 30d nor a date such as 2026-11-24.") from None


@click.command("audit-log", epilog="Example: checkend audit-log --since 7d --event problem")
@click.option("--since", type=parse_start, metavar="WHEN", help="Only the last 12h, 30d or 4w, or since a day or time.")
@click.option("--event", default="", help="Only this event, such as app.deleted, or group of events, such as app.")
@click.option(
    "--actor", default="", help="Only what this user or API key did: user:3, api_key:2 or a part of the name."
)
@click.option("--app", "app_reference", default="", help="Only changes of this app (its slug or id).")
@click.option("--limit", type=click.IntRange(0), default=50, help="At most this many; 0 for all. [50]")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line, for programs.")
def audit_log(since: datetime | None, event: str, actor: str, app_reference: str, limit: int, as_json: bool) -> None:
    """Print the audit log, newest first: who signed in, and who changed what, from where and when."""
    with open_database():
        from checkend.models.audit_query import AuditFilter, count_entries, iterate_entries, of_app

        filters = of_app(AuditFilter(event=_known(event), actor=actor, date_from=since), app_reference)
        total, printed = count_entries(filters), 0
        for entry in iterate_entries(filters, limit or None):
            click.echo(_format(entry, as_json))
            printed += 1
    if not total and not as_json:
        click.echo("There are no such entries.")
    if total > printed:
        click.echo(f"{total - printed:,} more. Use --limit or a filter.", err=True)


def _known(event: str) -> str:
    from checkend.models.audit_events import GROUPS, SENTENCES

    if event and event not in SENTENCES and event not in GROUPS:
        raise CommandError(f"There is no event {event!r}. The groups of events are {', '.join(GROUPS)}.")
    return event


def _format(entry: Any, as_json: bool) -> str:
    from checkend import clock
    from checkend.cli._support.printer import printable
    from checkend.log import to_json
    from checkend.models.audit_events import actor_name, predicate
    from checkend.schemas.audit_log import AuditEntrySchema

    if as_json:
        return to_json(AuditEntrySchema().dump(entry))
    place = f" (from {entry.client_ip})" if entry.client_ip else ""
    return f"{clock.iso(entry.at)}  {printable(f'{actor_name(entry)} {predicate(entry)}{place}')}"
