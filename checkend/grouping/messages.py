"""Reduce error messages to what a programmer wrote, without the values of a particular occurrence."""

from __future__ import annotations

import re

from checkend.grouping.language import words
from checkend.grouping.languages import LANGUAGES

_MAX_LENGTH = 600  # characters; the rest is seldom written by a programmer
_MAX_WORDS = 16
_MAX_KEYWORDS = 4


def normalize_message(message: str) -> str:
    """Return the first words of a message in lower case, without numbers, ids, addresses, paths and quoted values.

    The result is "" if the message consists of values only.
    """
    text = _QUOTED.sub(" ", message.strip()[:_MAX_LENGTH].partition("\n")[0])
    normalized = []
    for token in text.split():
        word = token.strip(_MARKS).lower()
        if not word or _VALUE.search(word) or word in _CALENDAR:
            continue
        # Without the plural ending, which depends on a value that was removed: 1 failure, 2 failures.
        normalized.append(word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word)
        if len(normalized) == _MAX_WORDS:
            break
    return " ".join(normalized)


_MARKS = ".,;:!?()[]{}<>\"'`*#-\u2013\u2014\u2018\u2019\u2026“”|"
# Quotation marks around a value, but not the apostrophe of "can't".
_QUOTED = re.compile(
    r"""(?<!\w)'[^'\n]{0,300}'(?!\w) | "[^"\n]{0,300}" | `[^`'\n]{0,300}[`'] |
        “[^”\n]{0,300}” | «[^»\n]{0,300}»""",
    re.VERBOSE,
)
# A value: a word with a digit, an address, a path, an assignment, a hexadecimal number, a very long word.
_VALUE = re.compile(r"[0-9@/\\=&%$_]|\A[a-f]{8,}\Z|[^\s]{41}")
_CALENDAR = words(
    """
    jan feb mar apr may jun jul aug sep oct nov dec january february march april june july august
    september october november december mon tue wed thu fri sat sun monday tuesday wednesday thursday
    friday saturday sunday am pm utc gmt true false
    """
)


def keywords(message: str) -> str:
    """Return the first words of the message that are typical of error messages, such as "not valid" or "has no".

    Only words of a fixed list count, so that two messages never differ by a name or value, and the number of problems
    in a location is bounded. Words after a colon are details, and count only if there are none before it.
    """
    line = _QUOTED.sub(" ", message.strip()[:_MAX_LENGTH].partition("\n")[0])
    head, _, rest = line.partition(": ")
    return _error_words(head) or _error_words(rest)


def _error_words(text: str) -> str:
    found = [word for token in text.split() if (word := token.strip(_MARKS).lower()) in _ERROR_WORDS]
    return " ".join(found[:_MAX_KEYWORDS])


_ERROR_WORDS = words(
    """
    above absent accept accepted access active after again aged allowed already ambiguous annulled any
    are at available aborted away bad be been before below between big blocked broken bound busy by
    can't cancelled canceled cannot changed circular closed collision complete completed conflict
    conflicting connect convert corrupt corrupted could couldn't create crashed cyclic damaged deadlock
    declined delete deleted denied deprecated deserialize didn't different directory disabled
    disconnected does doesn't down duplicate duplicated during early empty enabled enough equal evicted
    exceed exceeded exceeds exist existing exists expected expired fail failed fails failure fetch
    finished forbidden format found frozen full greater has have host illegal in inactive incompatible
    incomplete inconsistent incorrect insufficient internal invalid is isn't large late least length
    less limit literal load loading locked long longer lost malformed many match mismatch missed missing more
    most must negative never no non none not null nothing of off offline on only open out outdated over
    overflow overlap overlaps parse past pending permission positive read readonly recognized refused
    register rejected removed required requires reset resolve retries save send sent short should size
    small stale started stopped store supported suspended taken than timed timeout timedout token too
    twice unable unauthorized unavailable unchanged undefined underflow unequal unexpected unfinished
    unhandled uninitialized unique unknown unpaid unreachable unrecognized unresolved unset unsupported
    until update upload used valid wasn't were without won't write wrong zero
    """
)


def missing_name(message: str) -> str:
    """Return the missing property, method or variable that a runtime's message names; "" if it names none.

    Chrome, Firefox and Safari describe the same error in three ways: (reading 'size'), can't access property "size",
    evaluating 't.box.size'. Python's and Ruby's attribute and name errors are recognized as well.
    """
    text = message[:_MAX_LENGTH]
    for pattern in _MISSING_NAMES:
        match = pattern.search(text)
        if match:
            return match[1].rpartition(".")[2].rstrip("()")[:60]
    return "json" if "JSON" in text else ""


_MISSING_NAMES = (
    re.compile(r"\((?:reading|setting) '([^'\n]{1,100})'\)"),
    re.compile(r"can't access property \"([^\"\n]{1,100})\""),
    re.compile(r"\(evaluating '([\w$.]{1,100}(?:\(\))?)"),
    re.compile(r"Cannot (?:read|set) property '([^'\n]{1,100})' of"),
    re.compile(r"([\w$.]{1,100}+) is not (?:a function|defined|a constructor|iterable)"),
    re.compile(r"React error (#\d{1,5})"),  # React's production build reports only the number
    re.compile(r"Can't find variable: ([\w$]{1,100})"),
    re.compile(r"(?:no attribute|name|variable|method) [`'\u2018]([\w.?!=]{1,100})"),
)

# Their messages change from version to version and from browser to browser, and add nothing to the location.
_RUNTIME_ERRORS = frozenset().union(*(language.runtime_errors for language in LANGUAGES))
_OVERFLOW_ERRORS = frozenset().union(*(language.overflow_errors for language in LANGUAGES))
_OVERFLOW = re.compile(r"maximum call stack|too much recursion|stack level too deep|recursion depth", re.IGNORECASE)


def is_runtime_message(error_class: str) -> bool:
    """Return whether a runtime, not a programmer, writes the messages of this class."""
    if error_class.startswith("runtime."):  # Go
        return True
    return error_class.rpartition(".")[2].rpartition("\\")[2].rpartition("::")[2] in _RUNTIME_ERRORS


def is_stack_overflow(error_class: str, message: str) -> bool:
    """Return whether the error means that the call stack was full."""
    return error_class.rpartition(".")[2] in _OVERFLOW_ERRORS or bool(_OVERFLOW.search(message[:200]))
