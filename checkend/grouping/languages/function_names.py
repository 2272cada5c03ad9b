"""What of a function's name stays the same from one build to the next, in each runtime's way of naming.

A name is "" for a function without one (a lambda, a block at file level, what a minifier renamed): it then
cannot tell two functions apart, and the caller looks for the function around it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from checkend.grouping.stacktrace import ANONYMOUS, UNKNOWN

QUALIFIED_LANGUAGES = frozenset({"go", "java", "dotnet", "elixir"})  # names that say which file they are in, or better


def normalize_function_name(method: str, language: str, *, minified: bool = False) -> str:
    """The function's name without what compilers and runtimes add; "" for a function without a name.

    `minified` says that the frame comes from a script on the web, where short names are made up by a tool and
    change with each build, and where not every browser tells the receiver.
    """
    return _normalize_function_name(method[:_MAX_LENGTH], language, minified)


_MAX_LENGTH = 500  # a longer name counts by its beginning; and it bounds what the cache can hold


@lru_cache(maxsize=2048)
def _normalize_function_name(name: str, language: str, minified: bool) -> str:
    if not name or name == UNKNOWN:
        return ""
    if language == "javascript":
        return _javascript(name, minified)
    clean = _CLEANERS.get(language)
    return clean(name) if clean else name


def _python(name: str) -> str:
    if name in ("<lambda>", "<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>"):
        return ""
    return name.rpartition(".<locals>.")[2]


def _ruby(name: str) -> str:
    # `block (2 levels) in Order#total` (3.4) and `block (2 levels) in total` are both a part of total.
    in_block = False
    while (found := _RUBY_PART.match(name)) is not None:
        name, in_block = name[found.end() :], True
    if name.startswith("<"):
        return "" if in_block else name
    name = name.rpartition("#")[2] or name
    name = name.rpartition(".")[2] or name
    return _RUBY_TEMPLATE.sub("", name)


_RUBY_PART = re.compile(r"(?:block(?: \(\d+ levels\))?|rescue|ensure) in ")
# Rails names a compiled template's method after the file, its hash and an object id.
_RUBY_TEMPLATE = re.compile(r"_{2,3}\d+_\d+\Z")


def _javascript(name: str, minified: bool) -> str:
    name = name.rpartition("*")[2]  # Firefox: async*total, promise callback*total
    name = name.removeprefix("async ").partition(" [as ")[0]
    made = name.startswith("new ")
    name = _outside_inner_functions(name.removeprefix("new "))
    receiver, _, own = name.rpartition(".")
    own = own.removeprefix("get ").removeprefix("set ")
    if own in _JS_NAMELESS or (minified and _MINIFIED.match(own)):
        return ""
    if made:
        return f"new {own}"
    kind = receiver.rpartition(".")[2]
    if minified or not kind[:1].isupper() or len(kind) < 3 or kind in _JS_PLAIN_RECEIVERS:
        return own
    return f"{kind}.{own}"


def _outside_inner_functions(name: str) -> str:
    """Strip Firefox's marks for functions inside others: ``total/<``, ``total/each<`` and ``total<`` are in total.

    Done in a loop: one pattern for all of them, ``(?:/<|<|/\\w*<)+\\Z``, needs exponential time.
    """
    while name.endswith("<"):
        name = name.rstrip("<")
        outer, slash, inner = name.rpartition("/")
        if slash and _JS_WORD.fullmatch(inner):
            name = outer
    return name


_JS_WORD = re.compile(r"\w*")
_JS_NAMELESS = frozenset(
    {
        "",
        ANONYMOUS,
        "anonymous",
        "(anonymous)",
        "Anonymous function",
        "?",
        "eval",
        "<computed>",
        "global code",
        "eval code",
    }
    | {"module code"}
)
_JS_PLAIN_RECEIVERS = frozenset({"Object", "Function", "Module", "Proxy", "Window", "Promise", "Runtime"})
# Up to two characters, or three with one that no programmer's short word has.
_MINIFIED = re.compile(r"[\w$]{1,2}\Z|(?=[\w$]?[A-Z0-9$_]|[\w$]{2}[A-Z0-9$_])[\w$]{3}\Z")


def _go(name: str) -> str:
    name = _removed(_GO_CLOSURE, _removed(_GO_TYPES, name))
    if name.endswith((".glob.", ".glob", ".init")):
        return ""
    return _GO_POINTER.sub(r"\1", name)


def _removed(pattern: re.Pattern[str], name: str) -> str:
    """Remove the matches of ``pattern`` whose group took part in the match, and keep the others.

    A pattern that also matches what only begins like the text to remove reads no character twice: its cost is linear.
    """
    return pattern.sub(lambda match: match[0] if match[1] is None else "", name)


_GO_TYPES = re.compile(r"\[[^\]]*+(\])?")
_GO_CLOSURE = re.compile(r"(?:\.(?:func|gowrap|deferwrap)?\d++|-fm|-range\d++|·dwrap·\d++)++(\Z)?")
_GO_POINTER = re.compile(r"\(\*?(\w+)\)")


def _php(name: str) -> str:
    if name in ("{main}", "include", "include_once", "require", "require_once", "eval"):
        return "{main}"
    named = _PHP_CLOSURE.search(name)
    if named:  # since 8.4 a closure says where it stands: {closure:App\Order::total():12}
        name = named[1].removesuffix("()")
        return "" if "/" in name or name.endswith(".php") else name.replace("->", "::")
    if name.endswith("{closure}"):
        return ""
    return _PHP_ANONYMOUS_CLASS.sub("@anonymous", name).replace("->", "::")


_PHP_CLOSURE = re.compile(r"\{closure:([^{}]{1,300}?):\d+\}\Z")
_PHP_ANONYMOUS_CLASS = re.compile(r"@anonymous(?:[^-:]|-(?!>)|:(?!:))*+")


def _elixir(name: str) -> str:
    if name.startswith(("anonymous fn/", "fn/")):
        name = name.partition(" in ")[2]
    name = name.removeprefix("Elixir.")
    owner, dash, rest = name.partition(".-")
    found = _ELIXIR_FUN.match(rest)
    return f"{owner}.{found[1]}" if dash and found else name


# -total/1-fun-0-/1 is the first function without a name in total/1, -fun.total/1- a reference to total/1; the
# same form is used for comprehensions and for what a try block does after.
_ELIXIR_FUN = re.compile(r"(?:inlined-|fun\.)?(.{1,200}?/\d{1,3})-")


def _java(name: str) -> str:
    name = name.rpartition("/")[2] if "/" in name and "$$Lambda" not in name else name
    owner, _, own = name.rpartition(".")
    found = _JAVA_LAMBDA.match(own)
    if found:
        own = {"null": "", "new": "<init>", "static": "<clinit>"}.get(found[1], found[1])
    owner, _, kotlin = owner.partition("$")
    if own in ("invokeSuspend", "invoke", "apply", "doResume") and kotlin:
        inner = kotlin.partition("$")[0]
        own = inner if inner and not inner.isdecimal() else own
        kotlin = ""
    kept = "$".join(part for part in kotlin.split("$") if part and not part.isdecimal())
    owner = f"{owner}${kept}" if kept else owner
    return f"{owner}.{own}" if own else ""


_JAVA_LAMBDA = re.compile(r"(?:lambda|\$anonfun)\$(\w{1,200}?)(?:\$\d+)*(?:\$adapted)?\Z")


def _dotnet(name: str) -> str:
    name = _removed(_DOTNET_TYPES, _DOTNET_ARITY.sub("", name))
    found = _DOTNET_MADE.search(name)
    if not found:
        return name
    owner = name[: found.start()]
    owner = owner.partition("+<")[0].rstrip("+.<")
    owner = owner.partition(".<")[0]
    return f"{owner}.{found[1]}"


_DOTNET_ARITY = re.compile(r"`\d{1,3}")
_DOTNET_TYPES = re.compile(r"\[[^\]]*+(\]++)?")
# <Pay>d__7.MoveNext is the body of async Pay, <>c.<Pay>b__4_0 a lambda in it, <Pay>g__Inner|1_0 a function.
_DOTNET_MADE = re.compile(r"<(\w{1,200})>")

_CLEANERS = {
    "python": _python,
    "ruby": _ruby,
    "go": _go,
    "php": _php,
    "elixir": _elixir,
    "java": _java,
    "dotnet": _dotnet,
}
