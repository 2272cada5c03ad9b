"""The time that a request waited for a thread, and the number of request threads, as far as the WSGI server knows.

Waitress reads a request completely, then queues it until a thread is free. The environ contains a method of the
connection's channel (``waitress.client_disconnected``); the channel has the time when its last bytes arrived, and its
server's settings. Other WSGI servers provide neither.
"""

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def seconds_in_queue(environ: "WSGIEnvironment") -> float | None:
    """Return how many seconds ago the request had arrived completely; None if the server does not provide it.

    Waitress records the system time. If the clock jumps forward while a request is queued, this request appears to have
    waited too long; if it jumps back, the request appears to have just arrived.
    """
    try:
        waited: float = time.time() - environ["waitress.client_disconnected"].__self__.last_activity
    except (KeyError, AttributeError):
        return None
    return waited if waited > 0 else 0.0


def request_threads(environ: "WSGIEnvironment", default: int) -> int:
    """Return the number of request threads; ``default`` if the server does not provide it."""
    try:
        threads: int = environ["waitress.client_disconnected"].__self__.server.adj.threads
    except (KeyError, AttributeError):
        return default
    return threads
