"""One report of each official SDK, as it goes over the wire, and the frames that are to be read from it."""

from dataclasses import dataclass, field
from typing import Any

Frame = tuple[str, int, str]


@dataclass
class Sent:
    """A report as an SDK sends it (``body``), what its frames say, and what the notice's parts must hold."""

    sdk: str
    body: dict[str, Any]
    frames: list[Frame]
    error_class: str
    error_message: str
    tags: list[str] = field(default_factory=list)
    context: dict[str, Any] = field(default_factory=dict)
    request: dict[str, Any] = field(default_factory=dict)
    user_info: dict[str, Any] = field(default_factory=dict)
    occurred_at: str = "2024-01-15T10:30:00Z"


def notifier(name: str, language: str, **more: str) -> dict[str, Any]:
    return {"name": name, "version": "1.0.0", "language": language, "language_version": "1.2.3"} | more


RUBY = Sent(
    "ruby",
    {
        "error": {
            "class": "NoMethodError",
            "message": "undefined method 'name' for nil",
            "backtrace": [
                "[PROJECT_ROOT]/app/models/user.rb:42:in 'User#save'",
                "[PROJECT_ROOT]/app/controllers/users_controller.rb:10:in `create'",
                "/gems/actionpack-7.1.0/lib/action_controller/metal.rb:227:in 'block in dispatch'",
            ],
            "fingerprint": None,
            "tags": ["billing", "Critical"],
            "occurred_at": "2024-01-15T10:30:00Z",
        },
        "context": {"environment": "production", "order": {"id": 7, "items": [1, 2]}},
        "request": {"url": "https://shop.example/users", "method": "POST", "params": {"password": "[FILTERED]"}},
        "user": {"id": "42", "email": "a@example.com"},
        "notifier": notifier("checkend-ruby", "ruby"),
    },
    [
        ("[PROJECT_ROOT]/app/models/user.rb", 42, "User#save"),
        ("[PROJECT_ROOT]/app/controllers/users_controller.rb", 10, "create"),
        ("/gems/actionpack-7.1.0/lib/action_controller/metal.rb", 227, "block in dispatch"),
    ],
    "NoMethodError",
    "undefined method 'name' for nil",
    tags=["billing", "critical"],
    context={"environment": "production", "order": {"id": 7, "items": [1, 2]}},
    request={"url": "https://shop.example/users", "method": "POST", "params": {"password": "[FILTERED]"}},
    user_info={"id": "42", "email": "a@example.com"},
)

PYTHON = Sent(
    "python",
    {
        "error": {
            "class": "ValueError",
            "message": "bad value",
            "backtrace": ["/srv/app.py:7 in outer", "/srv/app.py:12 in inner"],
            "occurred_at": "2024-01-15T10:30:00.123456+00:00",
            "tags": ["web"],
        },
        "context": {"environment": "production"},
        "request": {"url": "https://shop.example/", "headers": {"Accept": ["text/html", "*/*"]}},
        "user": {"id": 42},
        "notifier": notifier("checkend-python", "python"),
    },
    [("/srv/app.py", 7, "outer"), ("/srv/app.py", 12, "inner")],
    "ValueError",
    "bad value",
    tags=["web"],
    context={"environment": "production"},
    request={"url": "https://shop.example/", "headers": {"Accept": ["text/html", "*/*"]}},
    user_info={"id": 42},
)

NODE = Sent(
    "node",
    {
        "error": {
            "class": "TypeError",
            "message": "x is not a function",
            "backtrace": [
                "at Foo.bar ([PROJECT_ROOT]/src/a.js:10:5)",
                "at [eval]:2:9",
                "at async Promise.all (index 0)",
                "at process.processTicksAndRejections (node:internal/process/task_queues:95:5)",
            ],
            "occurred_at": "2024-01-15T10:30:00.123Z",
        },
        "context": {"environment": "production", "app_name": "shop", "revision": "abc123"},
        "notifier": notifier("@checkend/node", "javascript"),
    },
    [
        ("[PROJECT_ROOT]/src/a.js", 10, "Foo.bar"),
        ("[eval]", 2, "<anonymous>"),
        ("index 0", 0, "async Promise.all"),
        ("node:internal/process/task_queues", 95, "process.processTicksAndRejections"),
    ],
    "TypeError",
    "x is not a function",
    context={"environment": "production", "app_name": "shop", "revision": "abc123"},
)

BROWSER = Sent(
    "browser",
    {
        "error": {
            "class": "TypeError",
            "message": "t is undefined",
            "backtrace": [
                "at f (https://h.example/a.js:1:2)",
                "g@https://h.example/a.js:3:4",
                "https://h.example/a.js:5:6",
            ],
            "occurred_at": "2024-01-15T10:30:00.999Z",
        },
        "context": {"environment": "production"},
        "request": {"url": "https://h.example/cart?step=2"},
        "notifier": notifier("@checkend/browser", "javascript", url="https://h.example/cart"),
    },
    [
        ("https://h.example/a.js", 1, "f"),
        ("https://h.example/a.js", 3, "g"),
        ("https://h.example/a.js", 5, "unknown"),
    ],
    "TypeError",
    "t is undefined",
    context={"environment": "production"},
    request={"url": "https://h.example/cart?step=2"},
)

GO = Sent(
    "go",
    {
        "error": {
            "class": "*errors.errorString",
            "message": "no rows",
            "backtrace": [
                "/src/main.go:12 in main.handler",
                "/usr/local/go/src/net/http/server.go:2136 in net/http.Serve",
            ],
            "occurred_at": "2024-01-15T10:30:00Z",
        },
        "context": {"environment": "production", "env": {"HOME": "/root"}},
        "server": {"app_name": "shop", "revision": "abc", "hostname": "web-1"},
        "notifier": notifier("checkend-go", "go"),
    },
    [
        ("/src/main.go", 12, "main.handler"),
        ("/usr/local/go/src/net/http/server.go", 2136, "net/http.Serve"),
    ],
    "*errors.errorString",
    "no rows",
    context={
        "environment": "production",
        "env": {"HOME": "/root"},
        "server": {"app_name": "shop", "revision": "abc", "hostname": "web-1"},
    },
)

PHP = Sent(
    "php",
    {
        "error": {
            "class": "RuntimeException",
            "message": "broken",
            "backtrace": [
                "[PROJECT_ROOT]/src/A.php:10",
                "[PROJECT_ROOT]/src/A.php:12 in App\\A->run",
                "[internal function]:0 in array_map",
            ],
            "tags": [],
            "occurred_at": "2024-01-15T10:30:00+00:00",
        },
        "context": [],
        "request": [],
        "user": [],
        "notifier": notifier("checkend-php", "php", app_name="shop", revision="r7"),
    },
    [
        ("[PROJECT_ROOT]/src/A.php", 10, "unknown"),
        ("[PROJECT_ROOT]/src/A.php", 12, "App\\A->run"),
        ("[internal function]", 0, "array_map"),
    ],
    "RuntimeException",
    "broken",
)

ELIXIR = Sent(
    "elixir",
    {
        "error": {
            "class": "Elixir.RuntimeError",
            "message": "oops",
            "backtrace": ["lib/a.ex:12 in Elixir.MyApp.A.run/2"],
            "occurred_at": "2024-01-15T10:30:00.123456Z",
        },
        "context": {"environment": "production", "system_env": {"SHELL": "/bin/sh"}},
        "notifier": notifier("checkend-elixir", "elixir"),
    },
    [("lib/a.ex", 12, "Elixir.MyApp.A.run/2")],
    "Elixir.RuntimeError",
    "oops",
    context={"environment": "production", "system_env": {"SHELL": "/bin/sh"}},
)

JAVA = Sent(
    "java",
    {
        "error_class": "java.lang.IllegalStateException",
        "message": "not ready",
        "backtrace": [
            {"file": "A.java", "line": 10, "method": "com.x.A.run"},
            {"file": "Method.java", "line": -2, "method": "java.lang.reflect.Method.invoke"},
        ],
        "fingerprint": None,
        "tags": ["jobs"],
        "environment": "production",
        "occurred_at": "2024-01-15T10:30:00.123456789Z",
        "context": {"thread": "main"},
        "notifier": notifier("checkend-java", "java"),
    },
    [("A.java", 10, "com.x.A.run"), ("Method.java", -2, "java.lang.reflect.Method.invoke")],
    "java.lang.IllegalStateException",
    "not ready",
    tags=["jobs"],
    context={"thread": "main", "environment": "production"},
)

DOTNET = Sent(
    "dotnet",
    {
        "error_class": "System.InvalidOperationException",
        "message": "Sequence contains no elements",
        "backtrace": [
            {"file": "Unknown", "line": 0, "method": "System.Linq.ThrowHelper.ThrowNoElementsException"},
            {"file": "/src/Shop/Cart.cs", "line": 31, "method": "Shop.Cart.First"},
        ],
        "environment": "production",
        "occurred_at": "2024-01-15T10:30:00.1234567Z",
        "user": {"id": 1},
        "notifier": notifier("checkend-dotnet", "csharp"),
    },
    [
        ("Unknown", 0, "System.Linq.ThrowHelper.ThrowNoElementsException"),
        ("/src/Shop/Cart.cs", 31, "Shop.Cart.First"),
    ],
    "System.InvalidOperationException",
    "Sequence contains no elements",
    context={"environment": "production"},
    user_info={"id": 1},
)

NEXTJS_EDGE = Sent(
    "next.js edge",
    {
        "error_class": "Error",
        "message": "edge failed",
        "backtrace": [{"method": "<anonymous>", "file": "https://h.example/edge.js", "number": 3}],
        "context": {"runtime": "edge"},
        "notifier": notifier("@checkend/nextjs", "javascript"),
    },
    [("https://h.example/edge.js", 3, "<anonymous>")],
    "Error",
    "edge failed",
    context={"runtime": "edge"},
    occurred_at="",
)

ALL = [RUBY, PYTHON, NODE, BROWSER, GO, PHP, ELIXIR, JAVA, DOTNET, NEXTJS_EDGE]
