"""How long a request waited for a thread, and how many request threads there are, where the WSGI server tells.

Waitress reads a request completely, then queues it until a thread is free. It puts a method of the connection's channel
into the environ (``waitress.client_disconnected``); the channel knows when its last bytes arrived, and its server's
settings. Other WSGI servers say neither.
"""

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def seconds_in_queue(environ: "WSGIEnvironment") -> float | None:
    """Return how many seconds ago the request had arrived completely; None where the server does not tell.

    Waitress notes the time of day. If the system clock jumps forward while a request is queued, that one request
    seems to have waited too long; a jump back makes it look as if it had just arrived.
    """
    try:
        waited: float = time.time() - environ["waitress.client_disconnected"].__self__.last_activity
    except (KeyError, AttributeError):
        return None
    return waited if waited > 0 else 0.0


def request_threads(environ: "WSGIEnvironment", default: int) -> int:
    """Return how many threads serve requests; ``default`` where the server does not tell."""
    try:
        threads: int = environ["waitress.client_disconnected"].__self__.server.adj.threads
    except (KeyError, AttributeError):
        return default
    return threads
