"""Requests made at random: error reports, calls of every API route, every page and form, and raw bytes."""

import gzip
import pkgutil
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from marshmallow import Schema
from werkzeug.routing import Rule

import checkend
from tests.fuzz.values import TOKENS, encoded, pumped, some, text, value
from tests.support import sdk_payloads

if TYPE_CHECKING:
    from tests.fuzz.world import FuzzWorld

JSON_TYPES = (*["application/json"] * 8, "application/json; charset=utf-8", "text/plain", "", "text/html")
QUERY_NAMES = (
    *("page", "per_page", "status", "search", "tags", "tags[]", "date_from", "date_to", "min_notices", "sort", "after"),
    *("environment", "chart", "before", "next", "team", "key", "timeout", "limit", "format", "unknown", "q"),
)
OWN_SDK_PAYLOADS = [item.body for item in vars(sdk_payloads).values() if isinstance(item, sdk_payloads.Sent)]


@dataclass(frozen=True)
class FuzzRequest:
    """One request. ``path`` is percent-encoded; ``raw`` is set for bytes that go straight to the socket."""

    method: str = "GET"
    path: str = "/"
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw: bytes | None = None

    def __str__(self) -> str:
        if self.raw is not None:
            return f"raw {self.raw[:1500]!r}"
        return f"{self.method} {self.path[:300]}?{self.query[:300]} {self.headers} {self.body[:1500]!r}"


def report(choose: Random, world: "FuzzWorld") -> FuzzRequest:
    """Make an error report: an SDK's payload with parts replaced, or one made up from its parts."""
    document = deepcopy(choose.choice(OWN_SDK_PAYLOADS)) if choose.random() < 0.4 else {}
    error = document.setdefault("error", {}) if choose.random() < 0.7 else document
    language = choose.choice(sorted(_LANGUAGES))
    if isinstance(error, dict):
        error |= {"class": text(choose) or "E", "message": text(choose)} | some(choose, ("fingerprint", "tags"), 1)
        error["backtrace"] = [_frame(choose, language) for _ in range(choose.choice((1, 1, 3, 40)))]
    document |= some(choose, ("context", "request", "user", "notifier", "error_class", "occurred_at", "server"), 2)
    if choose.random() < 0.7:
        document["notifier"] = {"name": "fuzz", "language": language.replace("node", "javascript")}
    headers = {"Checkend-Ingestion-Key": world.ingestion_key, "Content-Type": choose.choice(JSON_TYPES)}
    body = encoded(choose, document)
    if choose.random() < 0.1:
        headers["Content-Encoding"] = choose.choice(("gzip", "gzip", "identity", "br", "x-gzip"))
        body = gzip.compress(body, 1)
    return FuzzRequest("POST", "/ingest/v1/errors", "", headers, body)


_LANGUAGES = {
    "python": "/srv/{file}.py:{line} in {name}",
    "ruby": "/srv/{file}.rb:{line}:in '{name}'",
    "javascript": "{name}@https://h/{file}.js:{line}:1",
    "node": "at {name} (/srv/{file}.js:{line}:1)",
    "go": "/src/{file}.go:{line} in main.{name}",
    "php": "/srv/{file}.php:{line} in {name}",
    "elixir": "lib/{file}.ex:{line} in Elixir.{name}",
    "java": "com.x.{name}({file}.java:{line})",
    "csharp": "at {name} in {file}.cs:line {line}",
}


# What names of functions are made of in each language, beside words.
_NAME_TOKENS = {
    "python": ("<", ">", "<locals>", ".", "<lambda>", "_", "a"),
    "ruby": ("block in ", "rescue in ", "#", ".", "::", "<", "_", "0", "levels) in "),
    "javascript": ("/<", "<", "/", "*", ".", "async*", "new ", " [as ", "$", "a", "get "),
    "node": ("async ", "new ", ".", "<anonymous>", " [as ", "]", "$", "a", "Object.", "_"),
    "go": (".func1", ".1", "-fm", "[...]", "[", "]", "(*", ")", "·dwrap·1", "-range1", ".", "a"),
    "php": ("{closure}", "{closure:", "}", "->", "::", "@anonymous", "\\", ":1", "(", ")", "a"),
    "elixir": ("anonymous fn/", "fn/", " in ", "-", "/1", "-fun-0-", ".", "inlined-", "a"),
    "java": ("lambda$", "$", "0", "$$Lambda", "/", ".", "$anonfun", "a", "null", "$adapted"),
    "csharp": ("<", ">", "b__", "d__1", "`1", "[", "]", "+", ".", "|1_0", "a"),
}


def _frame(choose: Random, language: str) -> Any:
    shape = _LANGUAGES[language]
    line, name, file = choose.choice((7, 7, -1, 0, 10**20)), "total", "app"
    match choose.randrange(4):
        case 0 | 1:
            name = pumped(choose, _NAME_TOKENS[language]) if choose.random() < 0.7 else text(choose)
        case 2:
            file = text(choose)
    if choose.random() < 0.3:
        return {"file": f"https://h/{file}.js", "line": line, choose.choice(("method", "function")): name}
    return value(choose) if choose.random() < 0.05 else shape.format(file=file, line=line, name=name)


def api_call(choose: Random, world: "FuzzWorld") -> FuzzRequest:
    """Make a call of a route of the Management API, with a key, parameters and a body that may be wrong."""
    rule = choose.choice([rule for rule in world.rules if rule.rule.startswith("/api/")])
    headers = {"Content-Type": choose.choice(JSON_TYPES)}
    if choose.random() < 0.95:
        wrong_key = quote(text(choose)[:100], errors="replace")
        headers["Checkend-API-Key"] = world.api_key if choose.random() < 0.95 else wrong_key
    document: Any = some(choose, _schema_fields(), 4)
    if choose.random() < 0.3:
        document = {choose.choice(("app", "problem", "team", "user", "member", "tag")): document}
    elif choose.random() < 0.1:
        document = value(choose)
    return FuzzRequest(
        _method(choose, rule), _path(choose, rule, world), _query(choose), headers, encoded(choose, document)
    )


def page(choose: Random, world: "FuzzWorld") -> FuzzRequest:
    """Make a request for a page, or send a form to it, as a signed-in site admin or as nobody."""
    rule = choose.choice([rule for rule in world.rules if not rule.rule.startswith(("/api/", "/ingest/"))])
    headers = {"Cookie": world.cookie} if choose.random() < 0.95 else {}
    method, fields = _method(choose, rule), []
    if method == "POST":
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        names = _form_fields()
        fields = [(choose.choice(names), text(choose)) for _ in range(choose.randrange(8))]
        fields += [("csrf_token", world.csrf_token)] if choose.random() < 0.95 else []
    body = urlencode(fields, errors="surrogatepass").encode()
    return FuzzRequest(method, _path(choose, rule, world), _query(choose), headers, body)


def raw_http(choose: Random, world: "FuzzWorld") -> FuzzRequest:
    """Make bytes for the socket: a proper request with its parts replaced, repeated, cut or run together."""
    target = choose.choice(
        ("/up", "/", "/ingest/v1/errors", "/api/v1/apps", "//ingest/v1/errors", "*", text(choose)[:3000])
    )
    body = encoded(choose, {"error": {"class": "Raw"}})
    headers = [
        ("Host", choose.choice(("127.0.0.1", "localhost", "", text(choose)[:200]))),
        ("Checkend-Ingestion-Key", world.ingestion_key),
        ("Content-Type", "application/json"),
        (choose.choice(_HEADERS), text(choose)[:2000]),
        (choose.choice(_HEADERS), choose.choice(("chunked", "0", "-1", "5", "100-continue", "close", "gzip", "1e3"))),
    ]
    if choose.random() < 0.7:
        headers.append(("Content-Length", str(len(body) + choose.choice((0, 0, 0, 1, -1)))))
    choose.shuffle(headers)
    method = choose.choice(("GET", "POST", "POST", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get", text(choose)[:50]))
    end = choose.choice(("\r\n", "\r\n", "\r\n", "\n", "\r"))
    lines = [f"{method} {target} HTTP/{choose.choice(('1.1', '1.1', '1.0', '0.9', '2', 'x'))}"]
    lines += [f"{name}: {item}" for name, item in headers[: choose.randrange(len(headers) + 1)]]
    raw = (end.join(lines) + end * 2).encode("utf-8", "surrogatepass") + body
    match choose.randrange(12):
        case 0:
            raw = raw[: choose.randrange(len(raw))]
        case 1:
            at = choose.randrange(len(raw))
            raw = raw[:at] + bytes([choose.randrange(256)]) * choose.choice((1, 1, 5000)) + raw[at:]
        case 2:
            raw += raw
        case 3:
            raw = b"POST /ingest/v1/errors HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + _chunks(choose, body)
    return FuzzRequest(raw=raw)


_HEADERS = (
    *("Transfer-Encoding", "Content-Length", "Expect", "Connection", "Content-Encoding", "X-Forwarded-For", "Cookie"),
    *("X-Forwarded-Host", "X-Forwarded-Prefix", "Origin", "Forwarded", "Upgrade", "If-None-Match", "Range", "Host"),
)
KINDS: dict[str, Callable[[Random, "FuzzWorld"], FuzzRequest]] = {
    "reports": report,
    "api": api_call,
    "pages": page,
    "http": raw_http,
}


def _chunks(choose: Random, body: bytes) -> bytes:
    sizes = (f"{len(body):x}", "0", "-5", "ffffffffffffffff", "5;x=y", "zz", "1" * 300)
    return choose.choice(sizes).encode() + b"\r\n" + body + b"\r\n0\r\n\r\n"


def _method(choose: Random, rule: Rule) -> str:
    if choose.random() < 0.05:
        return choose.choice(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "NOPE"))
    return choose.choice(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}) or ["GET"])


def _path(choose: Random, rule: Rule, world: "FuzzWorld") -> str:
    path = re.sub(r"<(?:[^<>:]+:)?([^<>]+)>", lambda match: _argument(choose, match[1], rule.rule, world), rule.rule)
    return path + choose.choice(("", "", "", "", "/", ".json", "//"))


def _argument(choose: Random, name: str, rule: str, world: "FuzzWorld") -> str:
    chosen = choose.choice(world.argument(name, rule)) if choose.random() < 0.85 else text(choose)[:300]
    return quote(chosen.encode("utf-8", "surrogatepass"), safe="")


def _query(choose: Random) -> str:
    pairs = [(choose.choice(QUERY_NAMES), text(choose)[:5000]) for _ in range(choose.choice((0, 0, 1, 2, 3)))]
    if choose.random() < 0.03:
        return quote("".join(choose.choices(TOKENS, k=20)).encode("utf-8", "surrogatepass"), safe="=&;?%+")
    return urlencode(pairs, errors="surrogatepass")


@cache
def _schema_fields() -> tuple[str, ...]:
    """Return the name of every field of every schema of the package."""
    package = import_module("checkend.schemas")
    names: set[str] = set()
    for module in pkgutil.iter_modules(package.__path__, "checkend.schemas."):
        for item in vars(import_module(module.name)).values():
            if isinstance(item, type) and issubclass(item, Schema):
                names |= {json_name.data_key or name for name, json_name in item._declared_fields.items()}
    return (*sorted(names), "problem_ids", "nope")


@cache
def _form_fields() -> tuple[str, ...]:
    """Return the name of every form field, from the templates and the form classes."""
    root = Path(str(checkend.__file__)).parent / "web"
    names = {name for file in root.rglob("*.html") for name in re.findall(r'name="([\w-]+)"', file.read_text())}
    for file in root.rglob("*.py"):
        names |= set(re.findall(r"^    (\w+) = \w+Field\(", file.read_text(), re.MULTILINE))
    return tuple(sorted(names))
