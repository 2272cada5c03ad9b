"""A task for waitress that keeps the connection open after a response without a body."""

from waitress.task import WSGITask


class KeepAliveTask(WSGITask):  # type: ignore[misc]  # waitress ships no types
    """A task that keeps the connection open after a 204 or 304.

    waitress closes it after every response without ``Content-Length``, because the end of a body would be unknown.
    These have no body, and RFC 9110 (8.6) forbids that header in a 204.
    """

    close_on_finish: bool = False

    def build_response_header(self) -> bytes:
        """Return the status line and headers, without the ``Connection: close`` that waitress adds by default."""
        client_closes = self.version != "1.1" or self.request.headers.get("CONNECTION", "").lower() == "close"
        must_close = self.close_on_finish or client_closes
        head: bytes = super().build_response_header()
        if self.has_body or must_close:
            return head
        self.close_on_finish = False
        return head.replace(b"\r\nConnection: close", b"", 1)
