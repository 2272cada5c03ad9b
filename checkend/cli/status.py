"""``checkend status``: the state of the server and its database."""

from pathlib import Path
from typing import Any

import click

from checkend.cli._support.options import server_url
from checkend.cli._support.output import json_option, open_database, pluralize, print_json

TIMEOUT_SECONDS = 5

Samples = dict[str, list[tuple[dict[str, str], float]]]


@click.command(epilog="Example: checkend status --url http://127.0.0.1:9000")
@click.option("--url", type=server_url, metavar="URL", help="URL of the server. [from CHECKEND_HOST and CHECKEND_PORT]")
@json_option
def status(url: str | None, as_json: bool) -> None:
    """Show the state of the server and its database: reports, throughput, sizes and retention.

    Run it on the machine that the server runs on. Without a running server, only the state of the database is shown.
    """
    with open_database():
        from flask import current_app

        from checkend.config.urls import local_url

        settings = current_app.config
        url = (url or local_url(settings["HOST"], settings["PORT"])).rstrip("/")
        samples = _fetch_metrics(url, settings["METRICS_TOKEN"])
        state = {
            "url": url,
            "server": None if samples is None else _server_state(samples),
            "store": _database_state(Path(current_app.instance_path)),
            "retention": {"days": settings["RETENTION_DAYS"], "notices": settings["RETENTION_NOTICES"]},
        }
    if as_json:
        print_json(state)
    else:
        _print(state)


def _fetch_metrics(url: str, token: str) -> Samples | None:
    """Return the samples of the server's /metrics, or None if no Checkend server responds."""
    from http.client import HTTPException

    from checkend.client.connection import ServerConnection

    try:
        connection = ServerConnection(url, {"Authorization": f"Bearer {token}"} if token else {})
        status, content = connection.request_bytes("GET", "/metrics", timeout_seconds=TIMEOUT_SECONDS)
        connection.close()
        text = content.decode()
        return parse(text) if status == 200 and "\ncheckend_info{" in text else None
    except (OSError, HTTPException, ValueError):  # no response, not HTTP, not UTF-8, not Prometheus' format
        return None


def parse(text: str) -> Samples:
    """Return the samples in ``text``, in Prometheus' text format, by name."""
    from prometheus_client.parser import text_string_to_metric_families

    samples: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append((sample.labels, sample.value))
    return samples


def _server_state(samples: Samples) -> dict[str, Any]:
    from checkend import clock

    def total(name: str, **required: str) -> float:
        return sum(value for labels, value in samples.get(name, []) if required.items() <= labels.items())

    def mean(name: str) -> float:
        count = total(f"{name}_count")
        return total(f"{name}_sum") / count if count else 0.0

    rejected: dict[str, int] = {}
    for labels, value in samples.get("checkend_reports_total", []):
        if labels["outcome"] == "refused":
            rejected[labels["status"]] = rejected.get(labels["status"], 0) + int(value)
    finished = total("checkend_retention_finished_seconds")
    return {
        "version": samples["checkend_info"][0][0]["version"],
        "up_seconds": int(clock.now().timestamp() - total("process_start_time_seconds")),
        "memory_bytes": int(total("process_resident_memory_bytes")),
        "reports_stored": int(total("checkend_reports_total", outcome="stored")),
        "reports_counted_as_repeats": int(total("checkend_reports_total", outcome="deduplicated")),
        "reports_refused": rejected,
        "reports_waiting": int(total("checkend_queue_length")),
        "mean_batch": round(mean("checkend_batch_size"), 1),
        "mean_commit_ms": round(mean("checkend_commit_seconds") * 1000, 1),
        "retention_removed_notices": int(total("checkend_retention_notices_total")),
        "retention_failures": int(total("checkend_retention_failures_total")),
        "mails_sent": int(total("checkend_notifications_total", channel="mail", outcome="sent")),
        "mails_failed": int(total("checkend_notifications_total", channel="mail", outcome="failed")),
        "retention_finished_at": clock.iso(clock.from_micros(int(finished * 1_000_000))) if finished else None,
    }


def _database_state(folder: Path) -> dict[str, Any]:
    from sqlalchemy import func, select

    from checkend.db.schema import database_path
    from checkend.db.session import db
    from checkend.db.vacuum import file_usage
    from checkend.models import App, Notice

    usage, path = file_usage(), database_path(folder)
    wal = path.with_suffix(".sqlite3-wal")
    apps, problems = db.session.execute(select(func.count(), func.coalesce(func.sum(App.problems_count), 0))).one()
    return {
        "path": str(path),
        "bytes": usage.file_bytes,
        "used_bytes": usage.used_bytes,
        "log_bytes": wal.stat().st_size if wal.exists() else 0,
        "apps": apps,
        "problems": problems,
        "notices": db.session.scalar(select(func.count()).select_from(Notice)),
    }


def _print(state: dict[str, Any]) -> None:
    from humanize import naturalsize

    database, retention = state["store"], state["retention"]
    if state["server"] is None:
        click.echo(f"Server     no server responds at {state['url']} (use --url to specify another URL)")
    else:
        _print_server(state["url"], state["server"])
    size, used_size = naturalsize(database["bytes"]), naturalsize(database["used_bytes"])
    click.echo(f"Database   {database['path']}: {size}, of which {used_size} in use,")
    click.echo(f"           and a write-ahead log of {naturalsize(database['log_bytes'])}")
    click.echo(
        "Content    " + ", ".join(pluralize(database[f"{noun}s"], noun) for noun in ("app", "problem", "notice"))
    )
    newest = f"the newest {retention['notices']:,}" if retention["notices"] else "all"
    days = f"for {retention['days']} days" if retention["days"] else "forever"
    click.echo(f"Kept       {newest} notices of a problem, {days}, unless the app's own settings differ")


def _print_server(url: str, server: dict[str, Any]) -> None:
    from datetime import timedelta

    from humanize import naturalsize, precisedelta

    uptime = precisedelta(timedelta(seconds=server["up_seconds"]), minimum_unit="minutes", format="%d")
    click.echo(f"Server     {url}, version {server['version']}, up {uptime},")
    click.echo(f"           {naturalsize(server['memory_bytes'])} of memory")
    rejected = ", ".join(f"{count:,} with {status}" for status, count in sorted(server["reports_refused"].items()))
    duplicates = pluralize(server["reports_counted_as_repeats"], "duplicate")
    click.echo(f"Reports    {server['reports_stored']:,} stored, {duplicates}; rejected: {rejected or 'none'}")
    averages = f"{server['mean_batch']} reports and {server['mean_commit_ms']} ms per commit on average"
    click.echo(f"Writer     {pluralize(server['reports_waiting'], 'report')} waiting; {averages}")
    removed = pluralize(server["retention_removed_notices"], "notice")
    failures = pluralize(server["retention_failures"], "failure")
    last_run = server["retention_finished_at"] or "not yet"
    click.echo(f"Retention  last run: {last_run}; {removed} removed, {failures}")
    click.echo(f"Email      {server['mails_sent']:,} sent, {server['mails_failed']:,} failed")
