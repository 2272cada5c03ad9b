"""``GET /metrics`` for Prometheus, ``GET /up`` for load balancers, and what counts every request."""

import hmac
import ipaddress
import logging
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, Response, current_app, request
from sqlalchemy import select, text

from checkend import clock
from checkend._version import __version__
from checkend.db.errors import DATABASE_ERRORS
from checkend.db.schema import database_path
from checkend.db.session import db
from checkend.db.vacuum import file_usage
from checkend.ingest.pipeline import ingestion
from checkend.models import App
from checkend.notifications import mail
from checkend.telemetry.metrics import Metrics, MetricsPage

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FORBIDDEN_MESSAGE = (
    "Metrics are for this machine itself, or with the token of CHECKEND_METRICS_TOKEN as a bearer token.\n"
)
FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO")
FORWARDED_BY = (*FORWARDED, "HTTP_X_REAL_IP", "HTTP_VIA")
ROUTE_GROUPS = {"ingest": "ingest", "api": "api", "static": "static", "bootstrap": "static"} | dict.fromkeys(
    ("metrics", "up"), "monitoring"
)

bp = Blueprint("monitoring", __name__)
log = logging.getLogger("checkend.monitoring")


def register(app: Flask) -> None:
    """Count the requests of ``app`` in ``app.extensions["checkend_counts"]``, and answer /metrics and /up."""
    counts = app.extensions["checkend_counts"] = Metrics()
    app.config["STARTED_AT"] = clock.now()
    app.wsgi_app = RequestMetrics(app.wsgi_app, counts)  # type: ignore[method-assign]  # how Flask documents it
    app.register_blueprint(bp)


class RequestMetrics:
    """WSGI middleware that counts what is answered, and how long the answer took to begin."""

    def __init__(self, wsgi_app: "WSGIApplication", counts: Metrics) -> None:
        self._wsgi_app = wsgi_app
        self._counts = counts

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        began = time.perf_counter()

        def begin(status: str, headers: list[tuple[str, str]], *failure: Any) -> Callable[[bytes], object]:
            first_word = environ["PATH_INFO"].lstrip("/").partition("/")[0]
            self._counts.request(ROUTE_GROUPS.get(first_word, "pages"), int(status[:3]), time.perf_counter() - began)
            return start_response(status, headers, *failure)

        return self._wsgi_app(environ, begin)


@bp.get("/up")
def up() -> Response:
    """200 while the store can be read, else 503."""
    try:
        db.session.execute(text("SELECT 1 FROM alembic_version"))
    except DATABASE_ERRORS as error:
        log.error("/up: the store cannot be read: %s", getattr(error, "orig", error))
        return Response("The store cannot be read.\n", 503, {"Retry-After": "5"}, "text/plain")
    return Response("up\n", mimetype="text/plain")


@bp.get("/metrics")
def metrics() -> Response:
    """What the server counts, for whoever asks from this machine or with the token; 403 for others."""
    if not (_is_local(request.environ) or _has_token()):
        return Response(FORBIDDEN_MESSAGE, 403, mimetype="text/plain")
    page = MetricsPage()
    for write in (
        _write_server,
        _write_reports,
        _write_writer,
        _write_requests,
        _write_store,
        _write_retention,
        _write_notifications,
    ):
        write(page)
    return Response(page.text(), content_type=CONTENT_TYPE)


def _has_token() -> bool:
    token: str = current_app.config["METRICS_TOKEN"]
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    return bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(sent.strip().encode(), token.encode())


def _is_local(environ: "WSGIEnvironment") -> bool:
    """Whether this machine itself asks, and not a proxy on it for somebody else."""
    original = environ.get("werkzeug.proxy_fix.orig", environ)
    if any(name in environ for name in FORWARDED_BY):
        return False
    try:
        peer = ipaddress.ip_address(original.get("REMOTE_ADDR") or "")
    except ValueError:
        return False
    mapped = getattr(peer, "ipv4_mapped", None)
    return bool((mapped or peer).is_loopback)


def _write_server(page: MetricsPage) -> None:
    page.number("checkend_info", "gauge", "The version that runs.", [({"version": __version__}, 1)])
    started: float = current_app.config["STARTED_AT"].timestamp()
    page.number("process_start_time_seconds", "gauge", "When the server was started, in seconds since 1970.", started)
    statm = Path("/proc/self/statm")
    if statm.exists():
        resident = int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        page.number("process_resident_memory_bytes", "gauge", "Memory that the server takes.", resident)


def _write_reports(page: MetricsPage) -> None:
    counts: Metrics = current_app.extensions["checkend_counts"]
    slugs = _readable(lambda: {app_id: slug for app_id, slug in db.session.execute(select(App.id, App.slug))}) or {}
    page.number(
        "checkend_reports_total",
        "counter",
        "Reports by app, by what became of them (stored, deduplicated, refused), and by the status of the answer.",
        [
            ({"app": slugs.get(app_id, app_id) if app_id else "", "outcome": outcome, "status": status}, count)
            for (app_id, outcome, status), count in counts.reports()
        ],
    )
    page.number(
        "checkend_reports_rejected_total",
        "counter",
        "Reports answered with 429 or 503, by app and reason.",
        [
            ({"app": slugs.get(app_id, app_id), "reason": reason}, count)
            for (app_id, reason), count in counts.rejections()
        ],
    )


def _write_writer(page: MetricsPage) -> None:
    writer = ingestion().writer
    page.number("checkend_queue_length", "gauge", "Reports that wait for the writer.", writer.queue_length)
    page.number("checkend_writer_healthy", "gauge", "0 while the writer is stalled or failing.", int(writer.is_healthy))
    page.histogram("checkend_batch_size", "Reports that the writer stored in one transaction.", [({}, writer.batches)])
    page.histogram("checkend_commit_seconds", "Time that such a transaction took.", [({}, writer.commits)])


def _write_requests(page: MetricsPage) -> None:
    counts: Metrics = current_app.extensions["checkend_counts"]
    page.number("checkend_requests_total", "counter", "Requests by group of routes and status.", counts.requests())
    page.histogram("checkend_request_seconds", "Time until an answer began, by group of routes.", counts.seconds())


def _write_store(page: MetricsPage) -> None:
    found = _readable(file_usage)
    page.number("checkend_store_readable", "gauge", "1 while the store can be read.", int(found is not None))
    if found is None:
        return
    page.number("checkend_store_bytes", "gauge", "Size of the SQLite file.", found.file_bytes)
    page.number("checkend_store_used_bytes", "gauge", "What is used of it.", found.used_bytes)
    log_file = database_path(Path(current_app.instance_path)).with_suffix(".sqlite3-wal")
    log_bytes = log_file.stat().st_size if log_file.exists() else 0
    page.number("checkend_store_log_bytes", "gauge", "Size of the write-ahead log beside it.", log_bytes)
    cap: int = current_app.config["MAX_STORE_BYTES"]
    page.number("checkend_store_cap_bytes", "gauge", "CHECKEND_MAX_STORE_BYTES; 0 for no cap.", cap)


def _write_retention(page: MetricsPage) -> None:
    retention = current_app.extensions["checkend_retention"]
    removed = retention.removed
    for name, help, count in (
        ("runs", "Times that retention went through the whole store.", retention.runs),
        ("failures", "Times that it was cut off by an error.", retention.failures),
        ("notices", "Notices that it removed.", removed.notices),
        ("problems", "Problems without notices that it removed.", removed.problems),
        ("backtraces", "Backtraces that it removed.", removed.backtraces),
        ("freed_bytes", "Bytes by which it shortened the SQLite file.", removed.freed),
    ):
        page.number(f"checkend_retention_{name}_total", "counter", help, count)
    limited = "1 while the last run left overdue notices, since the clock may have jumped."
    page.number("checkend_retention_limited", "gauge", limited, int(retention.limited))
    if retention.finished_at is not None:
        finished = retention.finished_at.timestamp()
        page.number("checkend_retention_finished_seconds", "gauge", "When it last ended, since 1970.", finished)


def _write_notifications(page: MetricsPage) -> None:
    samples = [({"channel": "mail", "outcome": outcome}, count) for outcome, count in mail.outcomes.items()]
    page.number("checkend_notifications_total", "counter", "Messages to people, by channel and outcome.", samples)


def _readable(read: Callable[[], Any]) -> Any:
    """What ``read`` answers; None where the store cannot be read, since the rest must be seen just then."""
    try:
        return read()
    except DATABASE_ERRORS as error:
        db.session.rollback()
        log.error("/metrics: the store cannot be read: %s", getattr(error, "orig", error))
        return None
