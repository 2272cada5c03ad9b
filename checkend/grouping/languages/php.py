"""PHP: frames that name the called function, closures before and since 8.4, compiled templates, anonymous classes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from checkend.grouping.language import Language, words
from checkend.grouping.stacktrace import Frame

_CLOSURE = re.compile(r"\{closure:([^{}]{1,300}?):\d+\}\Z")
_ANONYMOUS_CLASS = re.compile(r"@anonymous(?:[^-:]|-(?!>)|:(?!:))*+")
_COMPOSER_PACKAGE = re.compile(r".*vendor/([\w.-]{1,80}/[\w.-]{1,80})/", re.DOTALL)


def _innermost_first(frames: Sequence[Frame]) -> list[Frame]:
    # Next to each line PHP names the function that was called there: a line's own function is in the next frame.
    methods = [*(frame.method for frame in frames[1:]), "{main}"]
    return [Frame(f.file, f.line, method, f.column) for f, method in zip(frames, methods, strict=False)]


def _clean_name(name: str, minified: bool) -> str:
    if name in ("{main}", "include", "include_once", "require", "require_once", "eval"):
        return "{main}"
    closure = _CLOSURE.search(name)
    if closure:  # since 8.4 a closure includes its location: {closure:App\Order::total():12}
        name = closure[1].removesuffix("()")
        return "" if "/" in name or name.endswith(".php") else name.replace("->", "::")
    if name.endswith("{closure}"):
        return ""
    return _ANONYMOUS_CLASS.sub("@anonymous", name).replace("->", "::")


def _package(frame: Frame) -> str:
    match = _COMPOSER_PACKAGE.match(frame.path_end)
    return match[1] if match else ""


LANGUAGE = Language(
    name="php",
    aliases=words("php"),
    extensions=words("php"),
    innermost_first=_innermost_first,
    clean_name=_clean_name,
    package=_package,
    repeats_builtins=True,  # `intdiv()` has no file
    library_paths=r"^phar:// | ^\[internal\ function\] | /usr/share/php | /wp-includes/ | /wp-admin/",
    generated_paths=r"""eval\(\)'d\ code | runtime-created\ function |
        /var/cache/ | /storage/framework/views/ | /templates_c/""",
    runtime_errors=words("DivisionByZeroError ArithmeticError ArgumentCountError UnhandledMatchError TypeError"),
)
