"""Pairs of reports that must, and must not, be one problem, by language.

Each report is written as (class, message, backtrace); the programs and names are made up here.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from checkend.grouping import fingerprint
from checkend.grouping.frames import FrameOrigin, classify_frame
from checkend.grouping.languages import detect_language
from checkend.grouping.stacktrace import Frame, parse_stacktrace

Report = tuple[str, str, Sequence[object]]
NOTIFIERS = {
    "python": "checkend-python",
    "ruby": "checkend-ruby",
    "javascript": "@checkend/node",
    "go": "checkend-go",
    "php": "checkend-php",
    "elixir": "checkend-elixir",
    "java": "checkend-java",
    "csharp": "checkend-dotnet",
}


def grouped(language: str, report: Report, disabled: frozenset[str] = frozenset()) -> fingerprint.Grouping:
    error_class, message, backtrace = report
    notifier = {"name": NOTIFIERS[language], "language": language} if language else None
    return fingerprint.group(error_class, message, parse_stacktrace(backtrace), notifier=notifier, disabled=disabled)


def jvm(*methods: str) -> list[dict[str, object]]:
    return [{"file": "A.java", "line": number, "method": method} for number, method in enumerate(methods, 10)]


def net(*methods: str) -> list[dict[str, object]]:
    return [{"file": "Unknown", "line": 0, "method": method} for method in methods]


SAME: list[tuple[str, str, Report, Report]] = [
    (
        "python",
        "lines, the root and the entry change",
        (
            "KeyError",
            "'a'",
            ["/srv/farm/current/farm/web.py:3 in view", "/srv/farm/current/farm/barn.py:9 in feed"],
        ),
        (
            "KeyError",
            "'b'",
            ["C:\\apps\\farm\\farm\\cli.py:1 in main", "C:\\apps\\farm\\farm\\barn.py:30 in feed"],
        ),
    ),
    (
        "python",
        "a comprehension is a part of its function, and no frame of its own since 3.12",
        ("TypeError", "x", ["/a/farm/barn.py:3 in weigh", "/a/farm/barn.py:3 in <listcomp>"]),
        ("TypeError", "x", ["/a/farm/barn.py:5 in weigh"]),
    ),
    (
        "python",
        "the library's version moves its frames",
        ("E", "m", ["/a/farm/api.py:3 in get", "/v/lib/python3.11/site-packages/httplib/a.py:1 in go"]),
        ("E", "m", ["/a/farm/api.py:4 in get", "/v/lib/python3.12/site-packages/httplib/b.py:2 in went"]),
    ),
    (
        "python",
        "libraries unpacked beside the code on AWS Lambda",
        ("E", "m", ["/app/farm/api.py:3 in get", "/usr/lib/python3/dist-packages/requests/api.py:9 in get"]),
        ("E", "m", ["/var/task/farm/api.py:3 in get", "/var/task/requests/api.py:7 in get"]),
    ),
    (
        "python",
        "a compiled extension names its source without a root",
        ("E", "m", ["/app/farm/forms.py:3 in read", "/v/site-packages/lib/main.py:3 in __init__"]),
        ("E", "m", ["/app/farm/forms.py:3 in read", "lib/main.py:3 in lib.main.Model.__init__"]),
    ),
    (
        "python",
        "a compiled extension names its source as it lay where it was built",
        ("E", "m", ["/app/farm/db.py:3 in one", "/v/site-packages/lib/row.py:3 in one"]),
        ("E", "m", ["/app/farm/db.py:3 in one", "src/lib/row_c.py:3 in lib.row_c.Row.one"]),
    ),
    (
        "python",
        "code made at run time has a passing name",
        ("ZeroDivisionError", "z", ["/app/farm/calc.py:3 in run", "<rule-17>:1 in <module>"]),
        ("ZeroDivisionError", "z", ["/app/farm/calc.py:3 in run", "<rule-99>:1 in <module>"]),
    ),
    (
        "python",
        "a plugin in a temporary folder",
        ("E", "m", ["/app/a.py:1 in load", "/tmp/tmpa8d9f0x1/plug.py:3 in go"]),
        ("E", "m", ["/app/a.py:1 in load", "/tmp/tmpzz81k2_q/plug.py:5 in go"]),
    ),
    (
        "python",
        "a recursion cut off at 100 frames and one that fits",
        ("KeyError", "'a'", [*["/app/t.py:3 in up", "/app/t.py:8 in down"] * 50]),
        ("KeyError", "'a'", [*["/app/t.py:3 in up", "/app/t.py:8 in down"] * 4, "/app/t.py:4 in up"]),
    ),
    (
        "python",
        "library frames only, in two places of two machines",
        (
            "TimeoutError",
            "t",
            ["/usr/lib/python3.11/threading.py:9 in run", "/usr/lib/python3.11/ftplib.py:3 in c"],
        ),
        (
            "TimeoutError",
            "t",
            ["C:\\Python312\\Lib\\threading.py:5 in run", "C:\\Python312\\Lib\\ftplib.py:4 in d"],
        ),
    ),
    (
        "python",
        "a helper counts as its caller, wherever it stands in the caller",
        ("Refused", "too small: 3", ["/a/farm/pay.py:3 in pay", "/a/farm/guards.py:5 in ensure_positive"]),
        ("Refused", "too small: 4", ["/a/farm/pay.py:7 in pay", "/a/farm/guards.py:9 in ensure_positive"]),
    ),
    (
        "ruby",
        "Ruby 3.4 quotes and qualifies names",
        (
            "NoMethodError",
            "m",
            ["[PROJECT_ROOT]/app/models/cow.rb:3:in `block in milk'", "/g/gems/x-1/a.rb:1:in `y'"],
        ),
        (
            "NoMethodError",
            "n",
            ["/app/app/models/cow.rb:8:in 'block in Cow#milk'", "/g/gems/x-2/a.rb:1:in 'y'"],
        ),
    ),
    (
        "ruby",
        "built-in functions repeat their caller's line",
        ("ZeroDivisionError", "z", ["/app/app/a.rb:7:in `/'", "/app/app/a.rb:7:in `share'"]),
        ("ZeroDivisionError", "z", ["/app/app/a.rb:9:in 'Integer#/'", "/app/app/a.rb:9:in 'Farm#share'"]),
    ),
    (
        "ruby",
        "a compiled template carries a hash and an object id",
        ("NameError", "n", ["/app/app/views/a.erb:2:in `_app_views_a_erb___5520918237_2204810'"]),
        ("NameError", "n", ["/app/app/views/a.erb:4:in 'V#_app_views_a_erb__99183603498_2716'"]),
    ),
    (
        "ruby",
        "gems lie in vendor/bundle or in the system",
        (
            "E",
            "m",
            [
                "[PROJECT_ROOT]/vendor/bundle/ruby/3.1.0/gems/x-1.0/lib/x.rb:1:in `a'",
                "/app/lib/farm.rb:2:in `b'",
            ],
        ),
        ("E", "m", ["/usr/local/bundle/gems/x-2.0/lib/y.rb:1:in `c'", "[PROJECT_ROOT]/lib/farm.rb:4:in `b'"]),
    ),
    (
        "javascript",
        "an async frame, a root and an ES module",
        ("E", "m", ["at Barn.feed ([PROJECT_ROOT]/src/barn.js:1:2)", "at async main (/x.js:1:2)"]),
        ("E", "m", ["at async Barn.feed (file:///home/node/app/src/barn.js:9:2)"]),
    ),
    (
        "javascript",
        "a plain object's method may be called without it",
        ("E", "m", ["at Object.feed (/srv/farm/src/barn.js:1:2)"]),
        ("E", "m", ["at feed (C:\\sites\\farm\\src\\barn.js:3:2)"]),
    ),
    (
        "javascript",
        "a callback counts as the function around it",
        (
            "E",
            "m",
            [
                "at /app/src/barn.js:1:2",
                "at Array.map (<anonymous>)",
                "at Object.feed (/app/src/barn.js:1:1)",
            ],
        ),
        ("E", "m", ["at Object.feed (/app/src/barn.js:9:1)"]),
    ),
    (
        "javascript",
        "Node's own frames differ from version to version",
        ("Error", "read ECONNRESET", ["at TCP.onStreamRead (node:internal/stream_base_commons:218:20)"]),
        (
            "Error",
            "read ECONNRESET",
            ["at TCP.read (node:net:9:1)", "at TCP.cb (node:internal/async_hooks:130:17)"],
        ),
    ),
    (
        "javascript",
        "a bundle's hash, host and minified names",
        (
            "TypeError",
            "m",
            [
                "at n.feed (https://h/assets/app.3e81c07d.js:1:88)",
                "at u (https://h/assets/app.3e81c07d.js:1:9)",
            ],
        ),
        (
            "TypeError",
            "m",
            [
                "at o.feed (https://cdn.h/r/2/app-Zk3vTq9B.js:1:99)",
                "at h (https://cdn.h/r/2/app-Zk3vTq9B.js:1:9)",
            ],
        ),
    ),
    (
        "javascript",
        "Chrome, Firefox and Safari word and write it differently",
        (
            "TypeError",
            "Cannot read properties of undefined (reading 'hay')",
            ["at c (https://h/app.js:1:88)"],
        ),
        ("TypeError", "undefined is not an object (evaluating 't.barn.hay')", ["k@https://h/app.js:1:93"]),
    ),
    (
        "javascript",
        "Firefox names a function within a function",
        ("TypeError", "m", ["feed/<@https://h/app.js:1:88", "feed@https://h/app.js:1:80"]),
        (
            "TypeError",
            "m",
            ["at https://h/app.js:1:88", "at Array.map (<anonymous>)", "at t.feed (https://h/app.js:1:80)"],
        ),
    ),
    (
        "javascript",
        "Firefox says what a function was called after, and where an eval stood",
        ("E", "m", ["anonymous@https://h/app.js line 3 > Function:1:1", "async*feed@https://h/app.js:1:80"]),
        ("E", "m", ["feed@https://h/app.js:1:90"]),
    ),
    (
        "javascript",
        "a full stack, under two names and at two depths",
        (
            "RangeError",
            "Maximum call stack size exceeded",
            ["at walk (https://h/a.js:1:1)", "at step (https://h/a.js:1:9)"] * 5,
        ),
        ("InternalError", "too much recursion", ["step@https://h/a.js:1:9", "walk@https://h/a.js:1:1"] * 30),
    ),
    (
        "javascript",
        "a chunk that did not load, whichever it was",
        (
            "ChunkLoadError",
            "Loading chunk 17 failed.\n(error: https://h/17.9d02e4f6.js)",
            ["at f.j (https://h/runtime.70cd19e2.js:1:9)"],
        ),
        (
            "ChunkLoadError",
            "Loading chunk 3 failed.\n(timeout: https://h/3.0c5e71ab.js)",
            ["@https://h/runtime.2b77f0a9.js:1:3"],
        ),
    ),
    (
        "javascript",
        "next.js at the edge",
        (
            "TypeError",
            "(reading 'x')",
            [{"method": "<anonymous>", "file": "https://h/_next/s/src_geo_ts.6a0d8e21.js", "number": 3}],
        ),
        (
            "TypeError",
            "(reading 'x')",
            [{"method": "<anonymous>", "file": "https://p.h/_next/s/src_geo_ts.81fe2c05.js", "number": 9}],
        ),
    ),
    (
        "javascript",
        "a template compiled at run time counts as what runs it",
        (
            "TypeError",
            "(reading 'x')",
            ["at eval (eval at f (/a/t.js:4:1), <anonymous>:3:3)", "at run (/a/src/t.js:8:2)"],
        ),
        (
            "TypeError",
            "(reading 'x')",
            ["at eval (eval at f (/b/t.js:9:1), <anonymous>:5:3)", "at run (/b/src/t.js:11:2)"],
        ),
    ),
    (
        "go",
        "another build folder, and a recovering function on top of the panic",
        (
            "runtime.errorString",
            "nil",
            ["/r/panic.go:8 in runtime.gopanic", "/go/src/farm/a.go:1 in farm/a.(*Cow).Milk"],
        ),
        (
            "runtime.errorString",
            "nil",
            [
                "/x/web.go:3 in farm/web.Guard.func1",
                "/r/panic.go:8 in runtime.gopanic",
                "a/a.go:9 in farm/a.(*Cow).Milk",
            ],
        ),
    ),
    (
        "go",
        "a closure counts as its function, and its number shifts",
        ("E", "m", ["/r/panic.go:8 in runtime.gopanic", "/a.go:1 in farm/a.Feed.func1"]),
        ("E", "m", ["/r/panic.go:8 in runtime.gopanic", "/a.go:1 in farm/a.Feed[...].func2.1"]),
    ),
    (
        "go",
        "an error value counts by where it was reported and by its message",
        ("errorString", "barn 3 is full", ["/go/src/farm/w.go:1 in farm/w.Handler"]),
        ("*errorString", "barn 77 is full", ["w/w.go:9 in farm/w.Handler"]),
    ),
    (
        "php",
        "the function stands one frame further out",
        ("E", "m", ["[PROJECT_ROOT]/src/Cow.php:3", "[PROJECT_ROOT]/web.php:9 in App\\Cow->milk"]),
        (
            "E",
            "m",
            ["/var/www/releases/2024/src/Cow.php:7", "/var/www/releases/2024/job.php:2 in App\\Cow->milk"],
        ),
    ),
    (
        "php",
        "closures before and since 8.4",
        (
            "DivisionByZeroError",
            "z",
            [
                "/app/src/Cow.php:3",
                "[internal function]:0 in App\\{closure}",
                "/app/src/Cow.php:2 in array_map",
                "/app/x.php:1 in App\\Cow->milk",
            ],
        ),
        (
            "DivisionByZeroError",
            "z",
            [
                "/app/src/Cow.php:5",
                "[internal function]:0 in {closure:App\\Cow::milk():4}",
                "/app/src/Cow.php:4 in array_map",
            ],
        ),
    ),
    (
        "php",
        "a compiled template lies in a cache under a hash",
        (
            "E",
            "m",
            [
                "/app/var/cache/twig/d6/d609.php:4",
                "/app/vendor/twig/twig/src/T.php:3 in T_5a8->show",
                "/app/src/Page.php:1 in Twig\\T->render",
                "/app/w.php:1 in App\\Page->bill",
            ],
        ),
        (
            "E",
            "m",
            [
                "/app/var/cache/twig/11/1109.php:4",
                "/app/vendor/twig/twig/src/T.php:3 in T_99f->show",
                "/app/src/Page.php:8 in Twig\\T->render",
                "/app/w.php:1 in App\\Page->bill",
            ],
        ),
    ),
    (
        "elixir",
        "functions without a name are numbered, and a root may come before the file",
        (
            "ArithmeticError",
            "bad",
            ["nofile:0 in erlang.div/2", "lib/cow.ex:3 in Elixir.Farm.Cow.-milk/1-fun-0-/1"],
        ),
        ("ArithmeticError", "bad", ["[PROJECT_ROOT]/lib/cow.ex:9 in Elixir.Farm.Cow.milk/1"]),
    ),
    (
        "java",
        "lambdas are numbered",
        ("E", "m", jvm("farm.Cow.lambda$milk$2", "java.util.stream.X.y", "farm.Cow.milk")),
        (
            "E",
            "m",
            jvm("farm.Cow.lambda$milk$5", "farm.Cow$$Lambda$11/0x0000712f3c00a1f8.apply", "farm.Cow.milk"),
        ),
    ),
    (
        "java",
        "proxies and reflection come between",
        ("E", "m", jvm("farm.Cow.milk", "farm.Web.handle")),
        (
            "E",
            "m",
            jvm("farm.Cow.milk", "farm.Cow$$EnhancerBySpringCGLIB$$1a2b.milk", "jdk.proxy1.$Proxy0.milk"),
        ),
    ),
    (
        "java",
        "coroutines, anonymous functions and inner classes of other JVM languages",
        ("E", "m", jvm("farm.Cow$milk$2.invokeSuspend")),
        ("E", "m", jvm("farm.Cow.milk")),
    ),
    (
        "csharp",
        "async bodies and lambdas are numbered, symbols add files",
        ("E", "m", net("Farm.Cow+<MilkAsync>d__7.MoveNext")),
        ("E", "m", [{"file": "/src/Cow.cs", "line": 4, "method": "Farm.Cow+<MilkAsync>d__10.MoveNext"}]),
    ),
    (
        "csharp",
        "a lambda, one with captured variables and a local function are parts of their method",
        ("E", "m", net("Farm.Cow+<>c.<Milk>b__4_0")),
        ("E", "m", net("Farm.Cow+<>c__DisplayClass4_0`1[System.Int32].<Milk>b__1")),
    ),
    (
        "",
        "without a notifier the frames tell the language",
        ("E", "m", ["/a/farm/web.py:3 in view", "/a/farm/barn.py:9 in feed"]),
        ("E", "m", ["/a/farm/job.py:3 in run", "/a/farm/barn.py:11 in feed"]),
    ),
    ("python", "no frames, numbers differ", ("E", "job 17 took 3.5s", []), ("E", "job 9 took 12s", [])),
    (
        "ruby",
        "no frames, ids differ",
        ("E", "event evt_ab12 from 10.0.0.1", []),
        ("E", "event evt_9f from ::1", []),
    ),
    (
        "python",
        "no frames, quoted values differ",
        ("E", "no cow 'Elsa' here", []),
        ("E", 'no cow "Bo" here', []),
    ),
]


@pytest.mark.parametrize(("language", "why", "one", "other"), SAME, ids=[f"{case[0]}: {case[1]}" for case in SAME])
def test_one_problem(language: str, why: str, one: Report, other: Report) -> None:
    assert grouped(language, one).fingerprint == grouped(language, other).fingerprint


TWO: list[tuple[str, str, Report, Report]] = [
    ("python", "another class", ("A", "m", ["/a/b.py:1 in f"]), ("B", "m", ["/a/b.py:1 in f"])),
    ("python", "another function", ("A", "m", ["/a/b.py:1 in f"]), ("A", "m", ["/a/b.py:1 in g"])),
    ("python", "another folder", ("A", "m", ["/a/x/views.py:1 in f"]), ("A", "m", ["/a/y/views.py:1 in f"])),
    (
        "python",
        "one name for two methods of a file, worded differently",
        ("ValueError", "cow 3 has no barn", ["/a/models.py:3 in save"]),
        ("ValueError", "pig is not valid: Bo", ["/a/models.py:9 in save"]),
    ),
    (
        "python",
        "two callers of a helper",
        ("Refused", "bad", ["/a/farm/pay.py:3 in pay", "/a/farm/guards.py:5 in ensure"]),
        ("Refused", "bad", ["/a/farm/pay.py:9 in refund", "/a/farm/guards.py:5 in ensure"]),
    ),
    (
        "python",
        "two callers of what only raises, in its own file",
        ("Refused", "bad", ["/a/farm/pay.py:3 in pay", "/a/farm/pay.py:30 in _raise_refused"]),
        ("Refused", "bad", ["/a/farm/pay.py:9 in refund", "/a/farm/pay.py:30 in _raise_refused"]),
    ),
    (
        "python",
        "two users of one library",
        ("E", "m", ["/usr/lib/python3.11/ftplib.py:3 in a", "/usr/lib/python3.11/socket.py:3 in b"]),
        ("E", "m", ["/usr/lib/python3.11/smtplib.py:3 in a", "/usr/lib/python3.11/socket.py:3 in b"]),
    ),
    (
        "python",
        "lambdas in two functions",
        ("E", "m", ["/a/x.py:3 in f", "/a/x.py:3 in <lambda>"]),
        ("E", "m", ["/a/x.py:9 in g", "/a/x.py:9 in <lambda>"]),
    ),
    (
        "javascript",
        "one method name in two classes of a file",
        ("TypeError", "m", ["at Cow.save (/a/src/m.js:1:1)"]),
        ("TypeError", "m", ["at Pig.save (/a/src/m.js:9:1)"]),
    ),
    (
        "javascript",
        "two route handlers without a name",
        ("TypeError", "Cannot read properties of undefined (reading 'hay')", ["at /a/src/app.js:1:1"]),
        ("TypeError", "Cannot read properties of undefined (reading 'milk')", ["at /a/src/app.js:9:1"]),
    ),
    (
        "javascript",
        "two properties in functions that a minifier renamed",
        (
            "TypeError",
            "Cannot read properties of undefined (reading 'hay')",
            ["at c (https://h/app.js:1:88)"],
        ),
        (
            "TypeError",
            "Cannot read properties of undefined (reading 'milk')",
            ["at c (https://h/app.js:1:99)"],
        ),
    ),
    (
        "javascript",
        "two errors of Node's own",
        ("Error", "read ECONNRESET", ["at a (node:net:1:2)"]),
        ("Error", "getaddrinfo ENOTFOUND cache", ["at a (node:net:1:2)"]),
    ),
    (
        "javascript",
        "two messages of React's production build",
        ("Error", "Minified React error #418; visit https://react.dev", ["at a (https://h/vendor.js:1:2)"]),
        ("Error", "Minified React error #185; visit https://react.dev", ["at a (https://h/vendor.js:1:2)"]),
    ),
    (
        "go",
        "two error values reported in one handler",
        ("errorString", "barn 3 is full", ["/a/w.go:1 in farm/w.Handler"]),
        ("errorString", "cow 3 is ill", ["/a/w.go:1 in farm/w.Handler"]),
    ),
    (
        "php",
        "closures of two methods",
        (
            "E",
            "m",
            [
                "/app/Cow.php:3",
                "[internal function]:0 in {closure}",
                "/app/Cow.php:2 in array_map",
                "/x.php:1 in Cow->milk",
            ],
        ),
        (
            "E",
            "m",
            [
                "/app/Cow.php:9",
                "[internal function]:0 in {closure}",
                "/app/Cow.php:8 in array_map",
                "/x.php:1 in Cow->feed",
            ],
        ),
    ),
    (
        "php",
        "two users of an exception's own factory",
        (
            "E",
            "m",
            [
                "/app/CowException.php:3",
                "/app/Cow.php:2 in App\\CowException::ill",
                "/x.php:1 in App\\Cow->milk",
            ],
        ),
        (
            "E",
            "m",
            [
                "/app/CowException.php:3",
                "/app/Cow.php:9 in App\\CowException::ill",
                "/x.php:1 in App\\Cow->feed",
            ],
        ),
    ),
    (
        "java",
        "one method name in two classes",
        ("E", "m", jvm("farm.Cow.save")),
        ("E", "m", jvm("farm.Pig.save")),
    ),
    ("elixir", "two arities", ("E", "m", ["a.ex:1 in Elixir.F.a/1"]), ("E", "m", ["a.ex:1 in Elixir.F.a/2"])),
    ("", "no method known: the line counts", ("E", "m", ["/a/x.lua:1"]), ("E", "m", ["/a/x.lua:9"])),
    ("ruby", "no frames, other words", ("E", "import failed", []), ("E", "export failed", [])),
]


@pytest.mark.parametrize(("language", "why", "one", "other"), TWO, ids=[f"{case[0]}: {case[1]}" for case in TWO])
def test_two_problems(language: str, why: str, one: Report, other: Report) -> None:
    assert grouped(language, one).fingerprint != grouped(language, other).fingerprint


SWITCHED: list[tuple[str, str, Report, Report]] = [
    (
        "libraries",
        "python",
        ("E", "m", ["/a/x.py:3 in f", "/v/site-packages/lib/a.py:1 in go"]),
        ("E", "m", ["/a/x.py:3 in f", "/v/site-packages/lib/b.py:2 in went"]),
    ),
    (
        "enclosing",
        "python",
        ("E", "m", ["/a/x.py:3 in f", "/a/x.py:3 in <lambda>"]),
        ("E", "m", ["/a/x.py:5 in f", "/a/x.py:5 in <lambda>"]),
    ),
    (
        "recursion",
        "python",
        ("RecursionError", "m", ["/a/x.py:3 in f", "/a/x.py:8 in g", "/a/x.py:3 in f"]),
        ("RecursionError", "m", ["/a/x.py:3 in f", "/a/x.py:8 in g"]),
    ),
]


@pytest.mark.parametrize(("rule", "language", "one", "other"), SWITCHED, ids=[case[0] for case in SWITCHED])
def test_a_rule_that_merges_can_be_turned_off(rule: str, language: str, one: Report, other: Report) -> None:
    off = frozenset({rule})
    assert grouped(language, one).fingerprint == grouped(language, other).fingerprint
    assert grouped(language, one, off).fingerprint != grouped(language, other, off).fingerprint


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("wording", "one name for two methods of a file, worded differently"),
        ("helpers", "two callers of a helper"),
        ("values", "two error values reported in one handler"),
    ],
)
def test_a_rule_that_splits_can_be_turned_off(rule: str, why: str) -> None:
    language, _, one, other = next(case for case in TWO if case[1] == why)
    # Go values that are not distinguished by `values` still are by `wording`.
    off = frozenset({rule, "wording"})
    assert grouped(language, one, off).fingerprint == grouped(language, other, off).fingerprint


def test_each_rule_has_a_help_text_of_one_line() -> None:
    assert all(help_text.endswith(".") and "\n" not in help_text for help_text in fingerprint.RULES.values())
    assert {case[0] for case in SWITCHED} | {"wording", "helpers", "values"} == set(fingerprint.RULES)


def test_the_documentation_contains_each_help_text() -> None:
    page = (Path(__file__).parents[2] / "docs" / "grouping.md").read_text(encoding="utf-8")
    for name, help_text in fingerprint.RULES.items():
        assert f"| `{name}` | {help_text}" in page


def test_a_custom_fingerprint_decides_alone() -> None:
    one = fingerprint.group("A", "m", parse_stacktrace(["/a.py:1 in f"]), fingerprint=" checkout ")
    other = fingerprint.group("B", "n", [], fingerprint="checkout", disabled=frozenset(fingerprint.RULES))
    assert one.fingerprint == other.fingerprint == "checkout"
    assert "checkout" in one.reason


@pytest.mark.parametrize("empty", [None, "", "  \n"])
def test_an_empty_fingerprint_is_ignored(empty: str | None) -> None:
    frames = parse_stacktrace(["/a.py:1 in f"])
    assert fingerprint.group("A", "m", frames, fingerprint=empty) == fingerprint.group("A", "m", frames)


def test_a_long_fingerprint_is_shortened_without_loss() -> None:
    one, other = ("x" * 5000, "x" * 4999 + "y")
    assert len(fingerprint.group("A", "", [], fingerprint=one).fingerprint) <= 200
    assert fingerprint.group("A", "", [], fingerprint=one) != fingerprint.group("A", "", [], fingerprint=other)


@pytest.mark.parametrize(
    ("report", "reason", "location"),
    [
        (
            ("KeyError", "'a'", ["/app/shelf/books.py:3 in lend"]),
            "Reports of KeyError raised in lend (books.py).",
            "lend (shelf/books.py)",
        ),
        (
            ("ValueError", "card 7 is not valid", ["/app/shelf/books.py:3 in lend"]),
            "Reports of ValueError raised in lend (books.py), whose messages contain the words “is not valid”.",
            "lend (shelf/books.py)",
        ),
        (("KeyError", "'a'", []), "Reports of KeyError without a backtrace.", ""),
        (
            ("E", "job 7 is late", []),
            "Reports of E without a backtrace, whose messages read “job is late”.",
            "",
        ),
        (
            ("TimeoutError", "t", ["/usr/lib/python3.11/ftplib.py:3 in a"]),
            "Reports of TimeoutError raised in ftplib, outside the app's own code.",
            "ftplib",
        ),
    ],
)
def test_the_reason_is_a_sentence_for_users(report: Report, reason: str, location: str) -> None:
    found = grouped("python", report)
    assert (found.reason, found.location, found.version) == (reason, location, fingerprint.VERSION)


def test_the_fingerprint_is_the_same_in_each_process() -> None:
    found = grouped("python", ("KeyError", "'a'", ["/app/shelf/books.py:3 in lend"]))
    assert found.fingerprint == "a25e0fa361819a3d30ba48ba9f0846a46ee26dde"


@pytest.mark.parametrize(
    ("frame", "language", "expected"),
    [
        (Frame("/app/farm/cow.py", 1, "f"), None, True),
        (Frame("/v/site-packages/x/cow.py", 1, "f"), None, False),
        (Frame("[PROJECT_ROOT]/node_modules/x/a.js", 1, "f"), None, False),
        (Frame("A.java", 1, "farm.Cow.milk"), None, True),
        (Frame("A.java", 1, "java.util.Cow.milk"), None, False),
        (Frame("Unknown", 0, "System.Linq.Enumerable.Sum"), "dotnet", False),
        (Frame("Unknown", 0, "Farm.Cow.Milk"), "dotnet", True),
        (Frame("/usr/local/go/src/net/http/server.go", 1, "net/http.serve"), None, False),
        (Frame("/go/pkg/mod/github.com/x/y@v1.2.3/z.go", 1, "github.com/x/y.Z"), None, False),
        (Frame("/go/src/net/ours.go", 1, "farm/net.Ours"), None, True),
        (Frame("lib/enum.ex", 1, "Elixir.Enum.map/2"), None, False),
        (Frame("lib/cow.ex", 1, "Elixir.Farm.Cow.milk/1"), None, True),
        (Frame("https://cdn.jsdelivr.net/npm/x.js", 1, "f"), None, False),
        (Frame("chrome-extension://abc/a.js", 1, "f"), "javascript", False),
        (Frame("nonsense", 0, "unknown"), None, False),
    ],
)
def test_the_origin_of_a_frame_is_recognized(frame: Frame, language: str | None, expected: bool) -> None:
    detected = detect_language({"language": language} if language else None, [frame])
    assert (classify_frame(frame, detected) is FrameOrigin.APPLICATION) is expected
