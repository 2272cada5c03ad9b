"""Frame formats of all SDKs, and lines in unknown formats."""

import pytest

from checkend.grouping.stacktrace import Frame, parse_frame, parse_stacktrace

LINES = [
    # Ruby, both ways of quoting
    (
        "[PROJECT_ROOT]/app/models/user.rb:42:in 'User#save'",
        ("[PROJECT_ROOT]/app/models/user.rb", 42, "User#save"),
    ),
    ("/app/user.rb:7:in `block (2 levels) in save'", ("/app/user.rb", 7, "block (2 levels) in save")),
    ("/app/user.rb:7:in `<top (required)>'", ("/app/user.rb", 7, "<top (required)>")),
    ("lib/run.rb:3", ("lib/run.rb", 3, "unknown")),
    ("<internal:kernel>:187:in 'Kernel#loop'", ("<internal:kernel>", 187, "Kernel#loop")),
    ("(eval at /app/a.rb:3):1:in 'A#b'", ("(eval at /app/a.rb:3)", 1, "A#b")),
    # Python
    ("/srv/app.py:7 in outer", ("/srv/app.py", 7, "outer")),
    ("C:\\srv\\app.py:7 in <lambda>", ("C:\\srv\\app.py", 7, "<lambda>")),
    ("/srv/my app in two/app.py:7 in outer", ("/srv/my app in two/app.py", 7, "outer")),
    ("/srv/templates/a.html:3 in block 'body'", ("/srv/templates/a.html", 3, "block 'body'")),
    ("<frozen importlib._bootstrap>:1027 in _find", ("<frozen importlib._bootstrap>", 1027, "_find")),
    # V8
    ("at Foo.bar ([PROJECT_ROOT]/src/a.js:10:5)", ("[PROJECT_ROOT]/src/a.js", 10, "Foo.bar", 5)),
    ("    at Foo.bar (/src/a.js:10:5)", ("/src/a.js", 10, "Foo.bar", 5)),
    ("at [eval]:2:9", ("[eval]", 2, "<anonymous>", 9)),
    ("at f (https://h/a.js:1:2)", ("https://h/a.js", 1, "f", 2)),
    ("at https://h/a.js:1:2", ("https://h/a.js", 1, "<anonymous>", 2)),
    ("at async Mailer.send (/a.js:6:15)", ("/a.js", 6, "async Mailer.send", 15)),
    ("at async /srv/a.js:6:15", ("/srv/a.js", 6, "async <anonymous>", 15)),
    ("at async Promise.all (index 1)", ("index 1", 0, "async Promise.all")),
    ("at new Cart (file:///srv/a.mjs:6:15)", ("file:///srv/a.mjs", 6, "new Cart", 15)),
    ("at Array.map (<anonymous>)", ("<anonymous>", 0, "Array.map")),
    (
        "at eval (eval at f (/a.js:4:10), <anonymous>:3:33)",
        ("eval at f (/a.js:4:10), <anonymous>", 3, "eval", 33),
    ),
    (
        "at Layer.handle [as handle_request] (/l.js:95:5)",
        ("/l.js", 95, "Layer.handle [as handle_request]", 5),
    ),
    ("at C:\\sites\\my app\\a.js:12:33", ("C:\\sites\\my app\\a.js", 12, "<anonymous>", 33)),
    ("at f (C:\\sites\\a.js:12:33)", ("C:\\sites\\a.js", 12, "f", 33)),
    (
        "at p (webpack-internal:///(rsc)/./a/(x)/p.tsx:1:5)",
        ("webpack-internal:///(rsc)/./a/(x)/p.tsx", 1, "p", 5),
    ),
    ("at process.run (node:internal/a:95:5)", ("node:internal/a", 95, "process.run", 5)),
    # Firefox and Safari
    ("f@https://h/a.js:1:2", ("https://h/a.js", 1, "f", 2)),
    ("@https://h/a.js:1:2", ("https://h/a.js", 1, "<anonymous>", 2)),
    ("total/<@https://h/a.js:1:2", ("https://h/a.js", 1, "total/<", 2)),
    ("map@[native code]", ("[native code]", 0, "map")),
    ("async*f@moz-extension://1/a.js:1:2", ("moz-extension://1/a.js", 1, "async*f", 2)),
    ("https://h/a.js:1:2", ("https://h/a.js", 1, "unknown", 2)),
    ("https://h/@scope/a.js:1:2", ("https://h/@scope/a.js", 1, "unknown", 2)),
    ("https://h:8080/a.js?v=3:1:2", ("https://h:8080/a.js?v=3", 1, "unknown", 2)),
    # Go
    ("/src/main.go:12 in main.handler", ("/src/main.go", 12, "main.handler")),
    ("/go/a.go:1 in shop/a.(*T).M", ("/go/a.go", 1, "shop/a.(*T).M")),
    # PHP
    ("[PROJECT_ROOT]/src/A.php:10", ("[PROJECT_ROOT]/src/A.php", 10, "unknown")),
    ("[PROJECT_ROOT]/src/A.php:12 in App\\A->run", ("[PROJECT_ROOT]/src/A.php", 12, "App\\A->run")),
    ("[internal function]:0 in array_map", ("[internal function]", 0, "array_map")),
    # Elixir
    ("lib/a.ex:12 in Elixir.MyApp.A.run/2", ("lib/a.ex", 12, "Elixir.MyApp.A.run/2")),
    ("lib/a.ex:12 in anonymous fn/1 in A.run/2", ("lib/a.ex", 12, "anonymous fn/1 in A.run/2")),
    ("nofile:0 in erlang.div/2", ("nofile", 0, "erlang.div/2")),
    # Printed by the languages themselves
    ("at com.x.A.run(A.java:10)", ("A.java", 10, "com.x.A.run")),
    ("at com.x.A.run(Native Method)", ("Native Method", 0, "com.x.A.run")),
    ("at N.C.M(String a, Int32 b) in C:\\src\\A.cs:line 44", ("C:\\src\\A.cs", 44, "N.C.M")),
    ("at N.C.M(String a, Int32 b)", ("unknown", 0, "N.C.M")),
    ('File "/srv/a.py", line 3, in f', ("/srv/a.py", 3, "f")),
    ("#0 /srv/a.php(12): strlen('x')", ("/srv/a.php", 12, "strlen")),
    ("(app 1.0.0) lib/x.ex:12: Mod.fun/1", ("lib/x.ex", 12, "Mod.fun/1")),
    # Unknown formats
    ("TypeError: x is not a function", ("TypeError: x is not a function", 0, "unknown")),
    ("Error: code 12:30", ("Error: code 12:30", 0, "unknown")),
    ("at ", ("at", 0, "unknown")),
    ("", ("unknown", 0, "unknown")),
    ("/a.js:99999999999999:1", ("/a.js:99999999999999", 1, "unknown")),
]


@pytest.mark.parametrize(("line", "expected"), LINES, ids=[line or "empty" for line, _ in LINES])
def test_lines_of_each_format_are_parsed(line: str, expected: tuple[str, int, str]) -> None:
    assert parse_frame(line) == Frame(*expected)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"file": "A.java", "line": -1, "method": "com.x.A.run"}, ("A.java", -1, "com.x.A.run")),
        ({"file": "A.java", "line": -2, "method": "com.x.A.run"}, ("A.java", -2, "com.x.A.run")),
        ({"file": "Unknown", "line": 0, "method": "N.C.M"}, ("Unknown", 0, "N.C.M")),
        (
            {"method": "<anonymous>", "file": "https://h/a.js", "number": 3},
            ("https://h/a.js", 3, "<anonymous>"),
        ),
        ({"file": "a.rb", "line": 3, "function": "f"}, ("a.rb", 3, "f")),
        ({"file": "a.rb", "line": "3", "method": None, "column": 7}, ("a.rb", 3, "unknown", 7)),
        ({"file": "a.rb"}, ("a.rb", 0, "unknown")),
        ({"method": "f"}, ("unknown", 0, "f")),
        ({"file": ["a"], "line": True, "method": 1}, ('["a"]', 0, "1")),
        ({"file": "a", "line": 10**30, "column": -4}, ("a", 0, "unknown")),
        ({"file": "a", "line": float("nan")}, ("a", 0, "unknown")),
        ({"file": "a", "line": float("inf")}, ("a", 0, "unknown")),
        ({"file": "a", "line": 3.0}, ("a", 3, "unknown")),
        ({"other": 1}, ('{"other": 1}', 0, "unknown")),
        ({}, ("{}", 0, "unknown")),
        (7, ("7", 0, "unknown")),
        (None, ("null", 0, "unknown")),
        (["a", 1], ('["a", 1]', 0, "unknown")),
    ],
)
def test_entries_other_than_strings_are_parsed_or_kept(entry: object, expected: tuple[str, int, str]) -> None:
    assert parse_frame(entry) == Frame(*expected)


def test_a_list_keeps_its_order_and_length() -> None:
    assert [frame.method for frame in parse_stacktrace(["a.py:1 in a", "nonsense", {"file": "b", "method": "b"}])] == [
        "a",
        "unknown",
        "b",
    ]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, []),
        ([], []),
        ("", []),
        ("a.py:1 in a\n\n  b.py:2 in b\n", [Frame("a.py", 1, "a"), Frame("b.py", 2, "b")]),
        ({"file": "a", "line": 1, "method": "m"}, [Frame("a", 1, "m")]),
        (5, [Frame("5", 0, "unknown")]),
        (False, [Frame("false", 0, "unknown")]),
    ],
)
def test_backtraces_of_other_types_are_parsed(raw: object, expected: list[Frame]) -> None:
    assert parse_stacktrace(raw) == expected
