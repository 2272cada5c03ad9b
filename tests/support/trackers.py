"""A server on loopback that plays the parts of GitHub's and GitLab's APIs that create issues and comments."""

import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class FakeTracker:
    """Issues by their number, with their comments.

    ``script`` holds statuses for the next requests with a method.
    A scripted status above 1000 means that the request takes effect, and that the status minus 1000 is responded.
    """

    kind: str
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    script: list[tuple[str, int, dict[str, str]]] = field(default_factory=list)

    issue_url: str = ""  # in place of that of the issue
    issue_number: Any = ...  # in place of that of the issue
    error: Any = field(default_factory=dict)  # the body of scripted responses
    raw_response: bytes = b""  # the body of all responses
    by_others: set[int] = field(default_factory=set)  # the issues that the token's user did not create

    def __post_init__(self) -> None:
        tracker = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                payload = json.loads(body) if body else None
                tracker.requests.append((self.command, self.path, dict(self.headers), payload))
                scripted = tracker.script and tracker.script[0][0] == self.command
                _, status, headers = tracker.script.pop(0) if scripted else ("", 0, {})
                result: tuple[int, Any] = (status, tracker.error)
                if not status or status > 1000:
                    result = tracker.respond(self.command, self.path, payload)
                response = tracker.raw_response or json.dumps(result[1], ensure_ascii=False).encode()
                self.send_response(status - 1000 if status > 1000 else result[0])
                for name, value in {**headers, "Content-Length": str(len(response))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(response)

            do_GET = do_POST = do_PATCH = do_PUT = handle_any  # noqa: N815 - the names that the library calls

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def text(self) -> str:
        """The name of the field for an issue's body."""
        return "body" if self.kind == "github" else "description"

    def respond(self, method: str, path: str, payload: Any) -> tuple[int, Any]:
        """Return the status and the resource for a request."""
        prefix = "/repos/acme/shop/issues" if self.kind == "github" else "/api/v4/projects/acme%2Fshop/issues"
        parts = urlsplit(path)
        match = re.fullmatch(rf"{re.escape(prefix)}(?:/(\d+))?(/comments|/notes)?", parts.path)
        if match is None:
            return 404, {"message": "Not Found"}
        if match[1] is None:
            return (201, self.create(payload)) if method == "POST" else (200, self._search(parts.query))
        number = int(match[1])
        if number not in self.issues:
            return 404, {"message": "Not Found"}
        if match[2]:
            if method == "POST":
                self.comments[number].append(payload)
                return 201, payload
            return 200, self.comments[number]
        if payload and (payload.get("state") or payload.get("state_event")) in ("closed", "close"):
            self.issues[number]["state"] = "closed"
        elif payload:
            self.issues[number]["state"] = "open"
        return 200, self.issues[number]

    def create(self, payload: dict[str, Any]) -> dict[str, Any]:
        number = len(self.issues) + 1
        names = ("number", "html_url") if self.kind == "github" else ("iid", "web_url")
        shown = number if self.issue_number is ... else self.issue_number
        url = self.issue_url or f"https://tracker.example/acme/shop/issues/{number}"
        self.issues[number] = {**payload, "state": "open", names[0]: shown, names[1]: url}
        self.comments[number] = []
        return self.issues[number]

    def _search(self, query: str) -> list[dict[str, Any]]:
        """Return a page of issues, newest first. As in GitLab, HTML comments are not searched."""
        names = {name: values[0] for name, values in parse_qs(query).items()}
        wanted, mine = names.get("search", ""), names.get("scope") == "created_by_me"
        found = [
            issue
            for number, issue in reversed(self.issues.items())
            if wanted in re.sub("<!--.*?-->", "", issue[self.text]) and not (mine and number in self.by_others)
        ]
        size, page = int(names["per_page"]), int(names["page"])
        return found[(page - 1) * size : page * size]

    def close(self) -> None:
        """Stop, and release the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
