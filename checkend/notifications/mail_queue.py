"""Mail queue: a thread that sends mail after the response, from a bounded queue.

Jobs are kept in memory: those that are not finished `DRAIN_SECONDS` after the shutdown began are lost, which is logged.
"""

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic

from flask import Flask, current_app

from checkend.notifications import mail
from checkend.services import services

QUEUE_SIZE = 100
DRAIN_SECONDS = 3.0

Job = Callable[[], object]

log = logging.getLogger("checkend.mail")


class MailQueue:
    """Runs jobs that send mail one after the other, each in an app context of ``app``."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._jobs: queue.Queue[Job | None] = queue.Queue(QUEUE_SIZE)  # None ends the thread
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()

    def put(self, job: Job) -> None:
        """Run ``job`` soon. If `QUEUE_SIZE` jobs are waiting, log and count it as failed instead."""
        with self._guard:
            if (
                self._thread is None
            ):  # started with the first job, because a thread does not survive the fork of a server
                self._thread = threading.Thread(target=self._work, name="checkend-mail", daemon=True)
                self._thread.start()
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            mail.outcomes["failed"] += 1
            log.error("a mail was not sent, because %d others are already waiting", QUEUE_SIZE)

    def close(self) -> None:
        """Run the waiting jobs, for at most `DRAIN_SECONDS`."""
        if self._thread is None:
            return
        until = monotonic() + DRAIN_SECONDS
        with suppress(queue.Full):
            self._jobs.put(None, timeout=DRAIN_SECONDS)
        self._thread.join(max(until - monotonic(), 0))
        if self._thread.is_alive():
            log.error("the server stopped before all mail was sent; the SMTP server did not respond in time")

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            with self._app.app_context():
                try:
                    job()
                except mail.MailError:
                    pass  # logged and counted by `mail.send`
                except Exception:
                    mail.outcomes["failed"] += 1
                    log.exception("a mail could not be created")


def run_later(job: Job) -> None:
    """Run ``job`` after the response, in the current app's `MailQueue`."""
    services().mail_queue.put(job)


def send_later(to: str, subject: str, text: str) -> None:
    """Send a mail after the response, as `mail.send` does. A failure is logged and counted."""
    run_later(partial(mail.send, current_app.config, to, subject, text))
