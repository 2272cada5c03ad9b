"""How long a request waited for a thread, and how many request threads there are, where the WSGI server tells.

Waitress reads a request completely, then queues it until a thread is free. It puts a method of the connection's channel
into the environ (``waitress.client_disconnected``); the channel knows when its last bytes arrived, and its server's
settings. Other WSGI servers say neither.
"""

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def _channel(environ: "WSGIEnvironment") -> Any:
    return getattr(environ.get("waitress.client_disconnected"), "__self__", None)


def seconds_in_queue(environ: "WSGIEnvironment") -> float | None:
    """Return how many seconds ago the request had arrived completely; None where the server does not tell.

    Waitress notes the time of day. If the system clock jumps forward while a request is queued, that one request
    seems to have waited too long; a jump back makes it look as if it had just arrived.
    """
    arrived_at: float | None = getattr(_channel(environ), "last_activity", None)
    return None if arrived_at is None else max(time.time() - arrived_at, 0.0)


def request_threads(environ: "WSGIEnvironment", default: int) -> int:
    """Return how many threads serve requests; ``default`` where the server does not tell."""
    settings = getattr(getattr(_channel(environ), "server", None), "adj", None)
    threads = getattr(settings, "threads", None)
    return threads if isinstance(threads, int) else default
