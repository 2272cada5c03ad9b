"""Bodies of almost 1 MiB that are as expensive as possible to take in, one for each weakness of a report."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

MAX_BODY_BYTES = 1_048_576
SIZE = 1_000_000  # leaves room for what stands around a value
FDFA = "\ufdfa"  # one character that becomes 18 when it is decomposed


def bodies() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield the name of each body, and what makes it."""
    for name, context in _contexts():
        yield f"context: {name}", lambda context=context: _body(context=context())  # type: ignore[misc]  # bound early
    for name, frames in _backtraces():
        language = {"language": name.partition(" ")[0]}
        yield (
            f"frames: {name}",
            lambda frames=frames, language=language: _body({"backtrace": frames()}, notifier=language),  # type: ignore[misc]
        )
    for name, error in _errors():
        yield f"error: {name}", lambda error=error: _body(error())  # type: ignore[misc]  # bound early
    yield "everything at once", _everything
    for name, body in _raw():
        yield name, lambda body=body: body  # type: ignore[misc]  # bound early


def _everything() -> bytes:
    frames = ["token=x&" * 60 + str(n) for n in range(499)]
    error = {"message": fill("password: ", 65_000), "backtrace": frames, "class": "secret: 'x' " * 400}
    parts = {"context": nested(keys("key_{:x}", "?p=q", 250_000), 20), "request": _texts("password: ", 5)}
    return _body(error, **parts, user=keys("p_{:x}", "?p=q", 50_000), notifier={"language": "javascript"})


def _body(error: dict[str, Any] | None = None, **parts: Any) -> bytes:
    report = {"error": {"class": "HostileError", "message": "m", **(error or {})}, **parts}
    body = json.dumps(report, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    assert SIZE // 4 < len(body) <= MAX_BODY_BYTES, (len(body), body[:200])
    return body


def fill(pattern: str, size: int = SIZE - 2000) -> str:
    """Repeat ``pattern`` until its JSON form has ``size`` bytes."""
    width = len(json.dumps(pattern, ensure_ascii=False).encode()) - 2
    return pattern * (size // width)


def keys(form: str, value: Any = 1, size: int = SIZE - 2000) -> dict[str, Any]:
    """Make an object of so many distinct keys, ``form`` with a number, as fit."""
    cost = len(json.dumps(value, ensure_ascii=False).encode()) + 4
    found: dict[str, Any] = {}
    for number in count():
        name = form.format(number)
        size -= len(name.encode()) + cost
        if size < 0:
            return found
        found[name] = value
    raise AssertionError


def items(form: str, size: int = SIZE - 2000) -> list[str]:
    """Make a list of so many distinct texts, ``form`` with a number, as fit."""
    return list(keys(form, size=size))


def nested(leaf: dict[str, Any], width: int) -> list[Any]:
    """Split the keys of ``leaf`` into objects of ``width`` keys, and those into lists of as many."""
    pairs = list(leaf.items())
    objects: list[Any] = [dict(pairs[start : start + width]) for start in range(0, len(pairs), width)]
    return [objects[start : start + width] for start in range(0, len(objects), width)]


def _contexts() -> Iterator[tuple[str, Callable[[], Any]]]:
    yield "75,000 distinct keys in one object", lambda: keys("key{:x}")
    yield "75,000 distinct keys in objects of 999", lambda: nested(keys("key{:x}"), 990)
    yield "distinct keys in objects of 20", lambda: nested(keys("key_{:x}"), 20)
    yield "long keys with the same beginning", lambda: keys("k" * 600 + "{}")
    yield "keys just above the longest that is kept", lambda: keys("k" * 497 + "{:05d}")
    yield "long keys of many words", lambda: keys("aB" * 240 + "_{}")
    yield "keys of U+FDFA", lambda: keys(FDFA * 200 + "{}")
    yield "one key of U+FDFA", lambda: {fill(FDFA): 1}
    yield "keys of accents", lambda: keys("é" * 480 + "{}")
    yield "keys of combining marks", lambda: keys("a" + "\u0315\u0300\u05ae\u0316" * 115 + "{}")
    yield "keys that nearly are secrets", lambda: keys("passwor_toke_secre_apike_cooki_{}")
    yield "one long key", lambda: {fill("k"): 1}
    yield "a list of numbers", lambda: [1] * (SIZE // 2 - 1000)
    yield "lists of numbers", lambda: [[1] * 990 for _ in range(525)]
    yield "lists of empty lists", lambda: [[[]] * 330 for _ in range(1000)]
    yield "lists in lists", lambda: [[[[1] * 30] * 30] * 30] * 17
    yield "small objects in lists", lambda: [[{"a": 1}] * 900] * 140
    yield "named values", lambda: [[{"name": "password", "value": "x"}] * 900] * 30
    yield "pairs", lambda: [[["password", "x"]] * 900] * 60
    yield "pairs of distinct names", lambda: [[f"k{number:x}", "x"] for number in range(60_000)]
    yield "a command line", lambda: [f"--token{number:x}" if number % 2 else "x" for number in range(110_000)]
    yield "command lines", lambda: [items("--token{:x}", 10_000) for _ in range(100)]
    yield "wide floats", lambda: [[1e308] * 990 for _ in range(140)]
    yield "JSON in a text", lambda: json.dumps(keys("password{:x}", "x", SIZE // 2))
    yield "JSON in JSON in texts", lambda: [json.dumps(json.dumps({"a": {"password": "x" * 10}}))] * 17_000
    yield "many texts of 999 characters", lambda: {f"t{n}": f"{n}" + "x=y&" * 249 for n in range(1030)}
    yield "many texts of 60,000 characters", lambda: {f"t{n}": f"{n}" + '"a": ' * 10_000 for n in range(14)}
    yield "many different secrets in addresses", lambda: {f"t{n}": "?token=x&" * 4000 for n in range(28)}
    for pattern in (
        *("x", "=", "a=", "?a=", "&a=b", ",a", '"', "'", '"a":', '"a":"', "'a': ", '\\"a\\":\\"', "%3Da", "%3Fa%3D"),
        *("%3Fa%3Db%26", "@", "://", "a://b:c@", "a://b", "Bearer ", "Bearer a1", "bearer a.", "Basic aaaaaaaaaaaaaa "),
        *("Cookie: ", "cookie:\n", "Authorization: x\n", "password: ", "password: x\n", "token: a, ", "X-Api-Key: x "),
        *("--password ", "--password x ", "--a-", "-", "a: ", ": ", "\n", "\r\n", "password=[", '{"password":'),
        "'[\"{",
        *("[FILTERED]", "token=[FILTERED]&", "\u1f600", "\U0001f600", FDFA, "é=", "%", "%%", "%3", "a%3A ", "[[["),
        *('{"a":{"password":"x"}}', '\\\\"', "secret=", "secret: '", 'secret: "', "x-token", "token", "a.b-c_d[e]:"),
    ):
        yield f"one text of {pattern!r}", partial(_one_text, pattern)
        if len(pattern) > 1:
            yield f"texts of {pattern!r}", partial(_texts, pattern, 16)


def _backtraces() -> Iterator[tuple[str, Callable[[], Any]]]:
    yield "any 30,000 lines", lambda: items("/srv/app/a.py:{0} in f{0}")
    yield "any 500 long lines", lambda: [f"/srv/{'a' * 1800}.py:{n} in f{'b' * 200}" for n in range(500)]
    yield "python /Lib/", lambda: [f"{'/Lib/a' * 160}/{n}.py:1 in f" for n in range(500)]
    yield "python long /Lib/", lambda: [f"{'/Lib/a' * 300}/{n}.py:1 in f" for n in range(500)]
    yield (
        "python site-packages",
        lambda: [f"{'/Lib/a' * 80}/site-packages/{'b/' * 250}{n}.py:1 in f" for n in range(500)],
    )
    yield "python releases", lambda: [f"{'/releases/' * 90}{n}.py:1 in f" for n in range(500)]
    yield "python hidden", lambda: [f"{'f' * 990}{n} in " for n in range(900)]
    yield "python printed", lambda: [f'File "{"a" * 990}{n}, line 1' for n in range(900)]
    yield "python quotes", lambda: ["'\"=" * 600 + str(n) for n in range(300)]
    yield "python secrets", lambda: ["token=x&" * 250 + str(n) for n in range(450)]
    yield "javascript /<", lambda: [f"a{'/<' * 240}{n}x@https://h/a.js:1:{n}" for n in range(900)]
    yield "javascript at", lambda: [f"at {'a.' * 240}b{n} (https://h/{'a-' * 250}{n}.js:1:1)" for n in range(500)]
    yield "javascript @", lambda: [f"{'@' * 990}{n}" for n in range(900)]
    yield "javascript hashes", lambda: [f"f{n}@https://h/{'9' * 590}.js:1:{n}" for n in range(900)]
    yield "javascript hex", lambda: [f"f{n}@https://h/{'abcdef12-' * 64}{n}.js:1:{n}" for n in range(900)]
    yield "javascript vendor", lambda: [f"f{n}@https://h/vendor{'-' * 580}{n}:1:{n}" for n in range(900)]
    yield (
        "elixir -fun-",
        lambda: [{"file": f"lib/a{n}.ex", "line": n, "method": ".-a/1-" * 80 + str(n)} for n in range(500)],
    )
    yield "dotnet generics", lambda: [{"file": f"{n}.cs", "line": 1, "method": "[" * 490 + str(n)} for n in range(1500)]
    yield "dotnet signature", lambda: [f"at {'a' * 900}({'b' * 900}{n} in " for n in range(500)]
    yield "go closures", lambda: [{"file": f"{n}.go", "line": 1, "method": ".1" * 240 + str(n)} for n in range(1500)]
    yield "go types", lambda: [{"file": f"{n}.go", "line": 1, "method": "[" * 490 + str(n)} for n in range(1500)]
    yield (
        "objects with a huge value",
        lambda: [{"file": f"/a{n}.py", "line": n, "method": "a=b&" * 500} for n in range(490)],
    )
    yield "objects with many keys", lambda: [keys("k{:x}", size=2000) | {"file": f"{n}"} for n in range(480)]
    yield "objects with distinct keys", lambda: nested(keys("key{:x}"), 150)[0]
    yield (
        "objects with nested vars",
        lambda: [{"file": f"{n}", "vars": [[{"a": "?b=c"}] * 12] * 10} for n in range(400)],
    )
    yield "one huge line", lambda: fill("a" * 100 + " in /x.py:1")
    yield "one text of lines", lambda: "\n".join(items("/srv/app/a.py:{0} in f{0}"))
    yield "a number", lambda: {"a": [1] * (SIZE // 2 - 1000)}


def _errors() -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    yield "a recursion", lambda: {"class": "RecursionError", "backtrace": _recursion() * 2}
    yield "a huge class", lambda: {"class": fill("a::")}
    yield "a huge class of stars", lambda: {"class": fill("*")}
    yield "a huge class that is an object", lambda: {"class": keys("k{:x}")}
    yield "a huge fingerprint", lambda: {"fingerprint": fill("f ")}
    yield "a fingerprint that is an object", lambda: {"fingerprint": keys("k{:x}")}
    yield "a huge message", lambda: {"message": fill("a b")}
    yield "a message of quotes", lambda: {"message": fill("'“«`")}
    yield "a message of a secret", lambda: {"message": "?token=" + fill("x")}
    yield "a message that is a list", lambda: {"message": [1] * (SIZE // 2 - 1000)}
    yield "75,000 tags", lambda: {"tags": items("tag{:x}")}
    yield "75,000 odd tags", lambda: {"tags": items("T g{:x}")}
    yield "one huge tag", lambda: {"tags": fill("a ")}
    yield "tags of numbers", lambda: {"tags": [1] * (SIZE // 2 - 1000)}
    yield "a huge time", lambda: {"occurred_at": fill("2")}
    yield "a huge user", lambda: {"user": keys("k{:x}")}
    yield "other members", lambda: keys("m{:x}", "x")


def _one_text(pattern: str) -> dict[str, Any]:
    return {"t": fill(pattern)}


def _texts(pattern: str, number: int) -> list[str]:
    return [fill(pattern, 60_000) + str(n) for n in range(number)]


def _recursion() -> list[dict[str, Any]]:
    return [{"file": f"/Lib/{'a/' * 200}{n}.py", "line": 1, "method": f"f{'b' * 400}{n}"} for n in range(500)]


def _raw() -> Iterator[tuple[str, bytes]]:
    head, tail = b'{"error":{"class":"X"},"context":', b"}"
    room = SIZE - len(head) - len(tail) - 60
    big = b"9" * 30
    lenient = {
        "numbers": b"[" + b"1," * (room // 2) + big + b"]",
        "objects": b"[" + b'{"a":1},' * (room // 8) + big + b"]",
        "texts": b"[" + b'"\\ud800",' * (room // 9) + big + b"]",
        "a surrogate and keys": b"[" + b'{"\\ud800a":"b"},' * (room // 16) + big + b"]",
        "floats": b"[" + b"1e999," * (room // 6) + big + b"]",
        "many giant integers": b"[" + b"9" * 3900 + (b"," + b"9" * 3900) * (room // 3901 - 1) + b"]",
        "one giant integer": b"9" * room,
        "integers of 20 digits": b"[" + b",".join([b"9" * 20] * (room // 21)) + b"]",
        "NaN": b"[" + b"NaN," * (room // 4) + big + b"]",
        "control characters": b'["' + b"\x01" * (room - 4) + b'"]',
        "bad UTF-8": b'["' + b"\xff" * (room - 4) + b'"]',
        "nested lists": b"[" * (room // 2) + b"]" * (room // 2),
        "nested 200 deep": (b"[" * 200 + b"]" * 200 + b",") * (room // 402),
    }
    for name, value in lenient.items():
        wrapped = b"[" + value.rstrip(b",") + b"]" if name == "nested 200 deep" else value
        yield f"lenient: {name}", head + wrapped + tail
    yield "strict: nested 200 deep", head + b"[" + ((b"[" * 200 + b"]" * 200 + b",") * (room // 402))[:-1] + b"]" + tail
    yield "strict: escapes", head + b'["' + b"\\u0001" * (room // 6 - 2) + b'"]' + tail
    yield "refused: no class", b'{"context":[' + b"1," * (room // 2) + b"1]}"
    yield "refused: a list", b"[" + b"1," * (room // 2) + b"1]"
    yield "refused: broken", b"[" + b"1," * (room // 2)
