"""Sockets with a deadline and a limit on the number of bytes received."""

import errno
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


def remaining(deadline: float) -> float:
    """Return the seconds until ``deadline``. Raises `TimeoutError` when it has passed."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


class DeadlineSocket(socket.socket):
    """A socket whose operations share one ``deadline`` (monotonic time) and that receives ``allowance`` bytes at most.

    A socket's timeout starts again with each operation: a peer that sends a byte every few seconds never exceeds it.
    """

    deadline = float("inf")
    allowance = float("inf")

    def recv_into(self, buffer: "WriteableBuffer", *args: Any, **kwargs: Any) -> int:
        if self.allowance <= 0:
            raise OSError(errno.EMSGSIZE, "the headers of the response are too large")
        self.settimeout(remaining(self.deadline))
        received = super().recv_into(buffer, *args, **kwargs)
        self.allowance -= received
        return received

    def send(self, data: "ReadableBuffer", flags: int = 0) -> int:
        self.settimeout(remaining(self.deadline))
        return super().send(data, flags)

    def sendall(self, data: "ReadableBuffer", flags: int = 0) -> None:
        self.settimeout(remaining(self.deadline))
        super().sendall(data, flags)


class DeadlineTlsSocket(DeadlineSocket, ssl.SSLSocket):
    """The same over TLS, where ``sendall`` may call ``send`` repeatedly."""
