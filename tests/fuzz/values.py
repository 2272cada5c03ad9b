"""Random strings and JSON values that are likely to upset parsers, patterns, limits and encodings."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

# Pieces of syntax from stack traces, URLs, secrets and markup: repeated, they drive patterns into backtracking.
TOKENS = (
    *(
        "/<",
        "<",
        ">",
        "/",
        "\\",
        ".",
        "..",
        "#",
        "$",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ":",
        "::",
        "->",
        "=>",
        "@",
        "*",
        "%",
    ),
    *(
        "a",
        "A",
        "0",
        "9",
        "_",
        "-",
        " ",
        "\t",
        "\n",
        "\r\n",
        '"',
        "'",
        '\\"',
        "=",
        "&",
        "?",
        ";",
        ",",
        "+",
        "~",
        "^",
        "`",
    ),
    *(
        "async*",
        "new ",
        "get ",
        " [as ",
        "anonymous",
        "<lambda>",
        "block in ",
        ".<locals>.",
        "$1",
        "-fm",
        ".func1",
        "·",
    ),
    *("lambda$", "$$Lambda", "/Lib/", "node_modules/", "site-packages/", "vendor/", "webpack://", "blob:", "file:///"),
    *("%3D", "%26", "%3F", "token=", "password: ", "--password ", "://", "user:pw@", "Bearer ", "Authorization: "),
    *("0x7f", "deadbeef", "1.2.3", "00000000-", "\ufdfa", "é", "ß", "\u202e", "\0", "\x1b", "\ud800", "😀", "<b>"),
)
NUMBERS = (0, -1, 1, 2, 7, 60, 1000, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 0.5, -0.0, 1e308)
TIMES = (
    *("2024-01-15T10:30:00Z", "2025-01-01 12:00:00 UTC", "Wed, 25 Nov 2026 10:00:00 GMT", "9999-12-31T23:59:59Z"),
    *(
        "0001-01-01",
        "2024-02-30",
        "10000-01-01T00:00:00Z",
        "1e400",
        "20240115",
        "2024-W03-1",
        "2024-01-15T10:30:00+99:99",
    ),
)
PLAIN = (
    "shop",
    "core",
    "1",
    "2",
    "all",
    "resolved",
    "unresolved",
    "recent",
    "viewer",
    "admin",
    "true",
    "false",
    "",
    "x",
)


def text(choose: Random) -> str:
    """Return a string: plain, hostile or pumped, of up to about 100,000 characters but mostly short."""
    match choose.randrange(10):
        case 0 | 1 | 2:
            return choose.choice(PLAIN)
        case 3:
            return str(choose.choice(NUMBERS))
        case 4:
            return choose.choice(TIMES)
        case 5 | 6:
            return "".join(choose.choices(TOKENS, k=choose.randrange(12)))
        case _:
            return pumped(choose)


def pumped(choose: Random, tokens: Sequence[str] = TOKENS) -> str:
    """Return a few of ``tokens`` repeated many times, between a prefix and a suffix that may break a match."""
    body = "".join(choose.choices(tokens, k=choose.choice((1, 1, 1, 2, 3))))
    times = choose.choice((3, 20, 35, 50, 50, 200, 2_000, 20_000)) // len(body) + 1
    return choose.choice(("", "a", *TOKENS)) + body * max(times, 40) + choose.choice(("", "x", "!", *TOKENS))


def value(choose: Random, depth: int = 0) -> Any:
    """Return a JSON value, at most six levels deep."""
    match choose.randrange(9 if depth < 6 else 5):
        case 0:
            return choose.choice((None, True, False))
        case 1:
            return choose.choice(NUMBERS)
        case 2 | 3 | 4:
            return text(choose)
        case 5 | 6:
            return [value(choose, depth + 1) for _ in range(choose.randrange(4))]
        case _:
            return {text(choose)[:2_000]: value(choose, depth + 1) for _ in range(choose.randrange(4))}


def encoded(choose: Random, document: Any) -> bytes:
    """Return ``document`` as JSON, once in a while broken: cut, with a byte changed, or in another encoding."""
    body = json.dumps(document, ensure_ascii=choose.random() < 0.5).encode("utf-8", "surrogatepass")
    match choose.randrange(20):
        case 0:
            return body[: choose.randrange(len(body) + 1)]
        case 1:
            at = choose.randrange(len(body) + 1)
            return body[:at] + bytes([choose.randrange(256)]) + body[at + 1 :]
        case 2:
            return choose.choice((b"", b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe{}", b"NaN", b"[1e999]", b"{}{}"))
    return body


def some(choose: Random, names: Sequence[str], at_most: int) -> dict[str, Any]:
    """Return up to ``at_most`` of ``names``, each with a value."""
    return {choose.choice(names): value(choose) for _ in range(choose.randrange(at_most + 1))}
