"""The interface between the grouping rule and the modules of `checkend.grouping.languages`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from checkend.grouping.paths import normalize_path
from checkend.grouping.stacktrace import Frame


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Language:
    """A programming language, as far as the grouping rule depends on it. Compared by identity.

    The fields from `library_paths` on are combined over all languages and apply to every report, since a stack trace
    can contain frames of several: a Ruby app runs JavaScript, a Python app loads a Java driver. Paths have forward
    slashes only. Pattern fragments are alternatives in `re.VERBOSE` syntax.
    """

    name: str
    aliases: frozenset[str] = frozenset()  # in lower case: values of notifier.language, words of notifier.name
    extensions: frozenset[str] = frozenset()  # of source files, in lower case, without the dot

    recognizes: Callable[[Frame], bool] = lambda frame: False  # for reports without a notifier
    innermost_first: Callable[[Sequence[Frame]], list[Frame]] = list  # sorts frames and corrects their functions
    is_library: Callable[[str, str], bool] = lambda path, function: False  # beyond `library_paths`
    clean_name: Callable[[str, bool], str] = lambda name, minified: name  # "" for a function without a name
    package: Callable[[Frame], str] = lambda frame: normalize_path(frame.file)  # of a library's frame; "" to ignore it
    is_error_value: Callable[[Sequence[Frame]], bool] = lambda frames: False  # reported by the app, never raised

    has_qualified_names: bool = False  # function names include the package or module, which makes the file redundant
    has_classes_for_files: bool = False  # whether a function is a helper depends on its class, not on its file
    repeats_builtins: bool = False  # a built-in function's frame repeats the location of its caller
    max_frames: int | None = None  # a stack trace of at least this many frames lacks the innermost ones

    library_paths: str = ""  # pattern fragment: where the runtime and the package manager keep libraries
    generated_paths: str = ""  # pattern fragment: code that exists only at run time, such as an eval
    scheduler_packages: str = ""  # pattern fragment: packages that start threads, tasks and requests
    runtime_errors: frozenset[str] = frozenset()  # classes, without a namespace, whose messages the runtime writes
    overflow_errors: frozenset[str] = frozenset()  # classes, without a namespace, that mean that the stack was full


UNKNOWN_LANGUAGE = Language(name="")


def words(text: str) -> frozenset[str]:
    """Return the words of ``text``."""
    return frozenset(text.split())
