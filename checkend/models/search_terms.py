"""The query language of searches for problems: words, "phrases", -exclusions and tokens such as ``env:production``."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from checkend import clock
from checkend.db.search import MAX_SEARCH_LENGTH
from checkend.exceptions import DomainError
from checkend.models.level import LEVELS

TOKENS = ("app", "class", "env", "first", "host", "is", "last", "level", "release", "tag", "times", "url", "user")
STATES = ("new", "regressed", "open", "muted", "resolved")
MAX_TERMS = 30  # the cost of a search grows with their number
MAX_OCCURRENCES = 2**53
NEW_HOURS = 24

# A dash excludes a word only before a letter or a quotation mark: text copied from a console contains others.
_TERM = re.compile(rf'(-(?=[^\W\d_]|"))?(?:({"|".join(TOKENS)}):(?=\S))?(?:"([^"]*)"|(\S+))', re.IGNORECASE)
_CONSOLE_PREFIX = re.compile(r"\s*(?:uncaught|unhandled)(?: \(in promise\))?:? +", re.IGNORECASE)
_COMPARISON = re.compile(r"(<=|>=|<|>)?(.+)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a search: ``name`` is one of `TOKENS`, or "" for a word or phrase.

    ``written`` is how it was written; a value in quotation marks is ``exact``.
    """

    written: str
    name: str
    value: str
    excludes: bool = False
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Period:
    """A range of times, from ``start`` to just before ``end``; None where it is open."""

    start: datetime | None
    end: datetime | None


def parse_search(search: str) -> tuple[Term, ...]:
    """Return the distinct terms of a search, at most `MAX_TERMS`, in their order.

    A line copied from a console is a search for its words: "Uncaught" at the beginning, and the colon after a word, do
    not count. Of a search of more than `MAX_SEARCH_LENGTH` characters, only the terms that end before are used. Raises
    `DomainError` with a message for each token whose value is invalid.
    """
    search = _shortened(search)
    terms: dict[tuple[str, str, bool], Term] = {}
    errors = []
    beginning = _CONSOLE_PREFIX.match(search)
    for match in _TERM.finditer(search, beginning.end() if beginning else 0):
        dash, name, phrase, word = match.groups()
        value = phrase if phrase is not None else word
        if not name:
            value = value.rstrip(":") or value if phrase is None else value.strip()
        term = Term(match[0], (name or "").lower(), value, bool(dash), phrase is not None)
        if not value:
            continue
        if message := _invalid(term):
            errors.append(message)
        elif len(terms) < MAX_TERMS:
            terms.setdefault((term.name, term.value.casefold(), term.excludes), term)
    if errors:
        raise DomainError(*errors)
    return tuple(terms.values())


def read_period(value: str) -> Period:
    """Return the times that ``<7d``, ``>2026-11-20`` or ``2026-11-20`` stand for, the value of ``first:`` or ``last:``.

    A duration is an age: ``<7d`` is within the last seven days, ``>7d`` before that. Without a sign, a duration is the
    largest age, and a date is that day. Raises ValueError.
    """
    match = _COMPARISON.fullmatch(value)
    if match is None:
        raise ValueError(value)
    sign, text = match[1] or "", match[2]
    if text[:-1].isdecimal() and text[-1] in _UNITS:
        if len(text) > 6:
            raise ValueError(value)
        moment = clock.now() - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
        return Period(None, moment) if sign.startswith(">") else Period(moment, None)
    try:
        start = datetime.combine(date.fromisoformat(text), time.min, UTC)
        end = start + timedelta(days=1)
    except (ValueError, OverflowError):
        start = datetime.fromisoformat(text)
        start = start if start.tzinfo else start.replace(tzinfo=UTC)
        end = start + timedelta(seconds=1)
    return {
        "": Period(start, end),
        "<": Period(None, start),
        "<=": Period(None, end),
        ">": Period(end, None),
        ">=": Period(start, None),
    }[sign]


def read_count(value: str) -> tuple[int, int]:
    """Return the smallest and the largest number that ``>100``, ``<=5`` or ``7`` stands for. Raises ValueError."""
    match = re.fullmatch(r"(<=|>=|<|>)?([0-9]{1,15})", value)
    if match is None:
        raise ValueError(value)
    number = int(match[2])
    return {
        None: (number, number),
        "<": (0, number - 1),
        "<=": (0, number),
        ">": (number + 1, MAX_OCCURRENCES),
        ">=": (number, MAX_OCCURRENCES),
    }[match[1]]


def _shortened(search: str) -> str:
    if len(search) <= MAX_SEARCH_LENGTH:
        return search
    kept = search[:MAX_SEARCH_LENGTH]
    complete, _, _ = kept.rpartition(" ")
    return complete or kept


def _invalid(term: Term) -> str:
    """Return why the value of a token is invalid; "" if it is not."""
    match term.name:
        case "is" if term.value.lower() not in STATES:
            return f"{term.written} is unknown. Use is: with one of {', '.join(STATES)}."
        case "level" if term.value.lower() not in LEVELS:
            return f"{term.written} is unknown. Use level: with one of {', '.join(LEVELS)}."
        case "times":
            try:
                read_count(term.value)
            except ValueError:
                return f"{term.written} is not a number of occurrences, such as times:>100."
        case "first" | "last":
            try:
                read_period(term.value)
            except (ValueError, OverflowError):
                return f"{term.written} is not a time, such as {term.name}:<7d or {term.name}:>2026-11-20."
    return ""
