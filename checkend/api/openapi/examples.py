"""Recorded requests and responses of the operations: real ones, from examples.json.

``python -m tests.docs.record``, in a checkout, records them again.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from werkzeug.http import HTTP_STATUS_CODES

LINE_LENGTH = 110


@dataclass(frozen=True, slots=True)
class Example:
    """A request to ``path``, with the call of the Python client that sent it, and the response.

    ``title`` introduces a request that is rejected. ``body`` and ``response`` are JSON values; None if there is none.
    """

    title: str
    python: str
    method: str
    path: str
    body: Any
    status: int
    response: Any

    @property
    def curl(self) -> str:
        """The curl command that sends the same request; the key and the server are variables of the shell."""
        is_default = self.method == ("POST" if self.body else "GET")
        lines = [f'curl {"" if is_default else f"-X {self.method} "}"$CHECKEND_ENDPOINT{self.path}"']
        if self.path.startswith("/ingest/"):
            lines.append('-H "Checkend-Ingestion-Key: $CHECKEND_API_KEY"')
        elif self.path != "/api/v1/health":
            lines.append('-H "Checkend-API-Key: $CHECKEND_MANAGEMENT_KEY"')
        if self.body:
            text = json.dumps(self.body, ensure_ascii=False).replace("'", r"'\''")
            lines += ['-H "Content-Type: application/json"', f"-d '{text}'"]
        return " \\\n  ".join(lines)

    @property
    def http(self) -> str:
        """The status line and the body of the response."""
        line = f"HTTP/1.1 {self.status} {HTTP_STATUS_CODES[self.status].upper()}"
        return line if self.response is None else f"{line}\n\n{format_json(self.response)}"


def examples_of(rule: str, method: str) -> tuple[Example, ...]:
    """Return the examples of the operation with this URL rule and method; PUT has those of PATCH."""
    return _load().get(f"{'PATCH' if method == 'PUT' else method} {rule}", ())


def example_of_error(status: int) -> Any:
    """Return the body of an error response with this status; None if there is none."""
    return next((example.response for example in _all() if example.status == status), None)


def format_json(value: Any, indent: str = "") -> str:
    """Return ``value`` as JSON: each object or array on one line if it fits into `LINE_LENGTH`, else broken up."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or len(indent) + len(line) <= LINE_LENGTH:
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        items = [f"{json.dumps(name)}: {format_json(item, inner)}" for name, item in value.items()]
        opening, closing = "{}"
    else:
        items = [format_json(item, inner) for item in value]
        opening, closing = "[]"
    return f"{opening}\n" + ",\n".join(inner + item for item in items) + f"\n{indent}{closing}"


def _all() -> Iterator[Example]:
    for examples in _load().values():
        yield from examples


@cache
def _load() -> dict[str, tuple[Example, ...]]:
    text = files(__package__).joinpath("examples.json").read_text(encoding="utf-8")
    return {name: tuple(Example(**exchange) for exchange in exchanges) for name, exchanges in json.loads(text).items()}
