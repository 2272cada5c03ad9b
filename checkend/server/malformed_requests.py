"""Responses to requests that never reach the app, because they are not HTTP or their headers are too large."""

import json

from waitress.task import ErrorTask

_CODES = {400: "bad_request", 413: "payload_too_large", 431: "headers_too_large", 501: "not_implemented"}


class MalformedRequestTask(ErrorTask):  # type: ignore[misc]  # waitress ships no types
    """A task that rejects a request that waitress cannot parse, in the format of the API's errors."""

    def execute(self) -> None:
        """Send the status that waitress has chosen, and close the connection."""
        error = self.request.error
        body = json.dumps({"error": _CODES.get(error.code, "error"), "message": f"{error.reason}: {error.body}."})
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body.encode())
