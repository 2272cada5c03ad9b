"""Ruby: blocks, built-ins that repeat their caller's line, compiled templates, two ways to quote and qualify names."""

from __future__ import annotations

import re

from checkend.grouping.language import Language, words
from checkend.grouping.paths import normalize_path
from checkend.grouping.stacktrace import Frame

_BLOCK = re.compile(r"(?:block(?: \(\d+ levels\))?|rescue|ensure) in ")
# Rails names the method of a compiled template after the file, its hash and an object id.
_TEMPLATE_SUFFIX = re.compile(r"_{2,3}\d+_\d+\Z")
_BINSTUB = re.compile(r"(?:^|/)bin/(?:bundle|rails|rake|puma|sidekiq|rspec|irb|ruby)\Z|^\(irb\)")
_GEM = re.compile(r".*/(?:gems/([\w.-]{1,80}?)-\d[^/]*/|lib/ruby/[\d.]{1,12}/([\w-]{1,60}))", re.DOTALL)


def _clean_name(name: str, minified: bool) -> str:
    # `block (2 levels) in Order#total` (since 3.4) and `block (2 levels) in total` are both part of total.
    in_block = False
    while (match := _BLOCK.match(name)) is not None:
        name, in_block = name[match.end() :], True
    if name.startswith("<"):
        return "" if in_block else name
    name = name.rpartition("#")[2] or name
    name = name.rpartition(".")[2] or name
    return _TEMPLATE_SUFFIX.sub("", name)


def _package(frame: Frame) -> str:
    match = _GEM.match(frame.path_end)
    return (match[1] or match[2]) if match else normalize_path(frame.file)


LANGUAGE = Language(
    name="ruby",
    aliases=words("ruby"),
    extensions=words("rb erb rake"),
    is_library=lambda path, function: _BINSTUB.search(path) is not None,
    clean_name=_clean_name,
    package=_package,
    repeats_builtins=True,  # `Integer#/` has no file
    library_paths=r"/gems/ | ^\[GEM_ROOT\] | ^<internal: | /lib/ruby/ | /usr/lib/ruby | /usr/share/ruby",
    generated_paths=r"^\(eval | ^\(erb",
    scheduler_packages="<internal",
    runtime_errors=words(
        """
        NoMethodError FrozenError FloatDomainError LocalJumpError FiberError NoMatchingPatternError
        NoMatchingPatternKeyError SystemStackError
        """
    ),
    overflow_errors=words("SystemStackError"),
)
