"""The objects that a server has once and that outlive a request, in one place: `services`.

This module sits at the root and imports nothing at run time, so that every package can reach the services without
depending on the packages that define them. `checkend.server.lifecycle.create_services` builds them.
"""

from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Event
from typing import TYPE_CHECKING

from flask import Flask, current_app

if TYPE_CHECKING:
    from checkend.auth.login_throttle import LoginThrottle
    from checkend.db.instance_lock import InstanceLock
    from checkend.ingest.pipeline import Ingestion
    from checkend.notifications.worker import NotificationWorker
    from checkend.retention.worker import RetentionWorker
    from checkend.telemetry.metrics import Metrics


@dataclass(slots=True, kw_only=True)
class Services:
    """The services of one app. ``stopping`` is set when the server begins to stop, for requests that wait."""

    instance_lock: "InstanceLock"
    ingestion: "Ingestion"
    retention: "RetentionWorker"
    notifications: "NotificationWorker"
    login_throttle: "LoginThrottle"
    metrics: "Metrics"
    notice_feed_waiters: BoundedSemaphore
    stopping: Event = field(default_factory=Event)
    exit_stack: ExitStack = field(default_factory=ExitStack)

    def start_workers(self) -> None:
        """Start the background threads; for a process that serves."""
        self.retention.start()
        self.notifications.start()

    def close(self) -> None:
        """Stop the threads, store what is queued and release the instance folder. Closing again has no effect."""
        self.exit_stack.close()


def services(app: Flask | None = None) -> Services:
    """Return the services of ``app``, or of the current app. Raises KeyError for an app that does not serve."""
    found: Services = (app or current_app).extensions["checkend"]
    return found
