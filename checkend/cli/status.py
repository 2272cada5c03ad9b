"""``checkend status``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from checkend.cli._support.options import server_url
from checkend.cli._support.output import json_option, open_database, print_json

if TYPE_CHECKING:
    from checkend.config import Value

TIMEOUT_SECONDS = 5

Samples = dict[str, list[tuple[dict[str, str], float]]]


@click.command(epilog="Example: checkend status --url http://127.0.0.1:9000")
@click.option("--url", type=server_url, metavar="URL", help="URL of the server. [from CHECKEND_HOST and CHECKEND_PORT]")
@json_option
def status(url: str | None, as_json: bool) -> None:
    """Say how the server and its store are: what came in, how fast it is stored, how much there is, what is removed.

    Works without a running server, with what the store tells. Ask from the machine that the server runs on.
    """
    with open_database():
        from flask import current_app

        values = current_app.config["SETTINGS"]
        address = (url or _metrics_url(values)).rstrip("/")
        samples = _fetch_metrics(address, current_app.config["METRICS_TOKEN"])
        found = {
            "url": address,
            "server": None if samples is None else _server(samples),
            "store": _store(Path(current_app.instance_path)),
            "retention": {"days": values["RETENTION_DAYS"].value, "notices": values["RETENTION_NOTICES"].value},
        }
    if as_json:
        print_json(found)
    else:
        _print(found)


def _metrics_url(values: "dict[str, Value]") -> str:
    from checkend.config.urls import local_url

    return local_url(values["HOST"].value, values["PORT"].value)


def _fetch_metrics(address: str, token: str) -> Samples | None:
    """Return the samples of the server's /metrics, or None if no Checkend server responds."""
    from urllib.request import ProxyHandler, Request, build_opener

    request = Request(f"{address}/metrics", headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=TIMEOUT_SECONDS) as answer:
            text = answer.read().decode()
            return parse(text) if "\ncheckend_info{" in text else None
    except (OSError, ValueError):  # connection refused, no response, not HTTP, invalid URL, not Prometheus' format
        return None


def parse(text: str) -> Samples:
    """Return the samples in ``text``, in Prometheus' text format, by name."""
    from prometheus_client.parser import text_string_to_metric_families

    samples: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append((sample.labels, sample.value))
    return samples


def _server(samples: Samples) -> dict[str, Any]:
    from checkend import clock

    def total(name: str, **wanted: str) -> float:
        return sum(value for labels, value in samples.get(name, []) if wanted.items() <= labels.items())

    def mean(name: str) -> float:
        count = total(f"{name}_count")
        return total(f"{name}_sum") / count if count else 0.0

    refused: dict[str, int] = {}
    for labels, value in samples.get("checkend_reports_total", []):
        if labels["outcome"] == "refused":
            refused[labels["status"]] = refused.get(labels["status"], 0) + int(value)
    finished = total("checkend_retention_finished_seconds")
    return {
        "version": samples["checkend_info"][0][0]["version"],
        "up_seconds": int(clock.now().timestamp() - total("process_start_time_seconds")),
        "memory_bytes": int(total("process_resident_memory_bytes")),
        "reports_stored": int(total("checkend_reports_total", outcome="stored")),
        "reports_counted_as_repeats": int(total("checkend_reports_total", outcome="deduplicated")),
        "reports_refused": refused,
        "reports_waiting": int(total("checkend_queue_length")),
        "mean_batch": round(mean("checkend_batch_size"), 1),
        "mean_commit_ms": round(mean("checkend_commit_seconds") * 1000, 1),
        "retention_removed_notices": int(total("checkend_retention_notices_total")),
        "retention_failures": int(total("checkend_retention_failures_total")),
        "mails_sent": int(total("checkend_notifications_total", channel="mail", outcome="sent")),
        "mails_failed": int(total("checkend_notifications_total", channel="mail", outcome="failed")),
        "retention_finished_at": clock.iso(clock.from_micros(int(finished * 1_000_000))) if finished else None,
    }


def _store(folder: Path) -> dict[str, Any]:
    from sqlalchemy import func, select

    from checkend.db.schema import database_path
    from checkend.db.session import db
    from checkend.db.vacuum import file_usage
    from checkend.models import App, Notice

    found, path = file_usage(), database_path(folder)
    log = path.with_suffix(".sqlite3-wal")
    apps, problems = db.session.execute(select(func.count(), func.coalesce(func.sum(App.problems_count), 0))).one()
    return {
        "path": str(path),
        "bytes": found.file_bytes,
        "used_bytes": found.used_bytes,
        "log_bytes": log.stat().st_size if log.exists() else 0,
        "apps": apps,
        "problems": problems,
        "notices": db.session.scalar(select(func.count()).select_from(Notice)),
    }


def _print(found: dict[str, Any]) -> None:
    from datetime import timedelta

    from humanize import naturalsize, precisedelta

    server, store, kept = found["server"], found["store"], found["retention"]
    if server is None:
        click.echo(f"Server     none answers at {found['url']} (--url names another address)")
    else:
        up = precisedelta(timedelta(seconds=server["up_seconds"]), minimum_unit="minutes", format="%d")
        refused = ", ".join(f"{count:,} with {status}" for status, count in sorted(server["reports_refused"].items()))
        stored, repeats = server["reports_stored"], server["reports_counted_as_repeats"]
        click.echo(f"Server     {found['url']}, version {server['version']}, up {up},")
        click.echo(f"           {naturalsize(server['memory_bytes'])} of memory")
        click.echo(f"Reports    {stored:,} stored, {repeats:,} counted as repeats; refused: {refused or 'none'}")
        means = f"{server['mean_batch']} reports and {server['mean_commit_ms']} ms a commit on average"
        click.echo(f"Writer     {server['reports_waiting']:,} reports wait; {means}")
        ended = server["retention_finished_at"] or "not yet"
        counts = f"{server['retention_removed_notices']:,} notices removed, {server['retention_failures']} failures"
        click.echo(f"Retention  last run: {ended}; {counts}")
        click.echo(f"Mail       {server['mails_sent']:,} sent, {server['mails_failed']:,} failed")
    click.echo(
        f"Store      {store['path']}: {naturalsize(store['bytes'])}, {naturalsize(store['used_bytes'])} of it used,"
    )
    click.echo(f"           {naturalsize(store['log_bytes'])} of log beside it")
    click.echo(f"Content    {store['apps']:,} apps, {store['problems']:,} problems, {store['notices']:,} notices")
    days = f"for {kept['days']} days" if kept["days"] else "for ever"
    newest = f"the newest {kept['notices']:,} of a problem" if kept["notices"] else "all of a problem"
    click.echo(f"Kept       {newest}, {days}, where the app does not say otherwise")
