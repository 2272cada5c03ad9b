"""Secrets after a label or an option in a text: ``X-Api-Key: x``, ``password: 'x'``, ``:token=>"x"``, ``--token x``.

Error messages use the same form for sentences: ``password: must be at least 8 characters``. Therefore a value is only a
secret if it is quoted or in brackets, if a separator, another label or the end of the line follows, or if it looks like
a key or a password; and never if it is a word that describes a secret (``token: expired``).
"""

import re
from collections.abc import Callable

from checkend.scrubbing.filtered_values import FILTERED, filtered_like, is_filtered, nested_end

_LABEL = re.compile(
    r"""(?<![\w.$/\\-])(?:([A-Za-z][\w-]{0,40})\ )?([^\W\d][\w-]{1,60})(?:(?::\ {1,3})|(?:=>\ {0,3}))(?=\S)""",
    re.VERBOSE,
)
# A value: quoted, or a word; group 3 matches a following separator, label, option, or end of the line.
_VALUE = re.compile(
    r"""("(?:[^"\\\r\n]++|\\.)*+"?|'(?:[^'\\\r\n]++|\\.)*+'?)|
        ([^\s,;"'`(){}\[\]<>&|]+)(\ {0,3}(?:[\r\n,;)}\]&|"'`<]|\Z)|\ {1,3}(?:--[A-Za-z]|[A-Za-z][\w-]{1,60}:\ ))?""",
    re.VERBOSE,
)
# A label without a space after its colon, as in "password:hunter2"; locations have the same form: "password.rb:12".
_COMPACT = re.compile(
    r"""(?<![\w.$/\\-])([^\W\d][\w-]{1,60}):(?<!::)(?![\s\d:/\\])
        ("(?:[^"\\\r\n]++|\\.)*+"?|'(?:[^'\\\r\n]++|\\.)*+'?|[^\s,;"'`(){}\[\]<>&|]+)""",
    re.VERBOSE,
)
# Fast check for such a colon. Every line of a backtrace contains colons, followed by digits, slashes or "in ".
_COMPACT_COLON = re.compile(r":[^\s\d:/\\](?<!::.)(?<!node:.)(?<!:i(?=n ))", re.DOTALL)
_ARITY = re.compile(r"\w{1,100}/\d{1,3}\Z")  # an Erlang function: token:verify1/2
_OPTION = re.compile(
    r"""(?<![\w-])--([A-Za-z][\w-]{0,60})\ {1,3}([^\s"'`,;-][^\s"'`,;]*|"[^"]*+"?|'[^']*+'?)""", re.VERBOSE
)
# A value of 8 characters with a digit, or longer than the words of a sentence.
_LOOKS_LIKE_KEY = re.compile(r"(?=\D{0,99}\d)\S{8}|[\w+/=-]{24}")
# Weak passwords: letters and digits, and shorter than a key.
_LOOKS_LIKE_PASSWORD = re.compile(r"(?=[^\W\d_]{1,7}\d|\d{1,7}[^\W\d_])\S{5}")
# The second word of labels such as "API key" and "account number".
_SECOND_WORDS = frozenset("key keys code id number string phrase pin".split())
# Names that describe an error about a secret, and are followed by details: InvalidTokenError: user 7
_ABOUT_SECRETS = re.compile(
    r"(?:[Ii]nvalid|[Ii]llegal|[Uu]nexpected|[Mm]issing|[Uu]nknown|[Bb]ad|[Ee]xpired|[Ww]rong|[Uu]nsupported)[A-Z_ -]|"
    r".*(?:[Ee]rror|[Ee]xception|[Ff]ailure|[Ff]ailed|[Ww]arning|[Ff]ound|[Ee]xpired|[Mm]ismatch|[Ii]nvalid)\Z|"
    r"[Tt]okens?\Z"
)
_WORDS = frozenset(
    """
    null none nil undefined true false yes no ok required missing invalid expired incorrect wrong empty blank present
    absent unset set unknown denied rejected unauthorized forbidden mismatch mismatched revoked failed failure error
    optional short long weak declined accepted disabled enabled changed unchanged deleted inactive active malformed
    unsupported unavailable duplicate taken exceeded blocked verified unverified confirmed identifier string number
    object array the a an is are was were be must should shall will can cannot can't could may might need needs has
    have had do does don't doesn't not and or to for from in on at by with without when if than that this it
    requires require expects takes option argument arguments flag value parameter but given was which as
    """.split()
)


def filter_labelled(text: str, is_secret: Callable[[str], bool], *, is_cut: bool = False) -> str:
    """Replace values after the name of a secret and a colon or arrow by `FILTERED`, unless they are sentences."""
    parts: list[str] = []
    done = 0
    label = _LABEL.search(text)
    while label is not None:
        start = end = label.end()
        before, name = label.groups()
        if is_secret(name) or (before and name.lower() in _SECOND_WORDS and is_secret(f"{before} {name}")):
            end = _secret_end(text, start, f"{before} {name}" if before else name, is_cut)
            if end > start:
                parts += [text[done:start], filtered_like(text[start:end])]
                done = end
        label = _LABEL.search(text, end)
    return "".join([*parts, text[done:]]) if parts else text


def _secret_end(text: str, start: int, label: str, is_cut: bool) -> int:
    """Return the end of the secret at ``start``; ``start`` if there is none.

    After a ``label`` that usually introduces a sentence, only values that look like keys are secrets.
    """
    match = _VALUE.match(text, start)
    if match is None:
        end = start if _ABOUT_SECRETS.match(label) else nested_end(text, start)
        return start if is_filtered(text[start:end]) else end
    quoted, word, is_alone = match.groups()
    end = match.end(2) if word else match.end()
    value = (word or quoted.strip("\"'")).rstrip(".!?:")
    if is_filtered(word or quoted) or not value or value.lower() in _WORDS:
        return start
    is_whole = quoted is not None or (is_alone is not None and not (is_cut and match.end() == len(text)))
    if _LOOKS_LIKE_KEY.match(value):
        return end
    is_secret = (is_whole or _LOOKS_LIKE_PASSWORD.match(value)) and not _ABOUT_SECRETS.match(label)
    return end if is_secret else start


def has_compact_label(text: str) -> bool:
    """Return whether `filter_compact` may find a secret in ``text``."""
    return _COMPACT_COLON.search(text) is not None


def filter_compact(text: str, is_secret: Callable[[str], bool], *, is_cut: bool = False) -> str:
    """Replace values directly after the name of a secret and a colon by `FILTERED`, where they cannot be anything else.

    That is the case for quoted values, and those that look like a key or a password and do not begin with a digit, as
    line numbers and memory addresses do.
    """
    parts: list[str] = []
    done = 0
    label = _COMPACT.search(text)
    while label is not None:
        name, value = label.groups()
        end = label.start(2)
        is_whole = not (is_cut and label.end() == len(text))
        if is_whole and is_secret(name) and _is_compact_secret(value):
            parts += [text[done:end], filtered_like(value)]
            done = end = label.end()
        label = _COMPACT.search(text, end)
    return "".join([*parts, text[done:]]) if parts else text


def _is_compact_secret(value: str) -> bool:
    bare = value.strip("\"'").rstrip(".!?:")
    if is_filtered(value) or bare.lower() in _WORDS or _ARITY.match(bare):
        return False
    return value[0] in _QUOTES or bool(_LOOKS_LIKE_KEY.match(bare) or _LOOKS_LIKE_PASSWORD.match(bare))


def filter_options(text: str, is_secret: Callable[[str], bool]) -> str:
    """Replace the values of secret command line options, as in ``--password x``, by `FILTERED`."""

    def replace(match: re.Match[str]) -> str:
        value = match[2]
        if not is_secret(match[1]) or is_filtered(value) or value.strip("\"'").rstrip(".!?:").lower() in _WORDS:
            return match[0]
        return f"{match[0][: -len(value)]}{filtered_like(value) if value[0] in _QUOTES else FILTERED}"

    return _OPTION.sub(replace, text)


_QUOTES = "\"'"
