"""What a report may hold in total, whatever its shape: so many keys and items, and so many characters.

The limits of one object, list or text are not enough: thousands of objects, each within its limits, cost seconds. What
does not fit is left out whole and marked. No text is cut here, so that nothing is taken apart by which a secret in it
is recognized.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

SHORTENED = "[SHORTENED"
# A text up to this length is paid for together with its object: a large value does not starve the small ones beside it.
_SHORT = 200
_MARK = 60  # what a mark in place of a value takes at most


class SizeLimits(NamedTuple):
    """The limits in total (``items`` and ``characters``), and those of each object or list, text, and of nesting."""

    items: int
    characters: int
    keys: int
    text: int
    depth: int


def fit_parts(parts: dict[str, dict[str, Any]], limits: SizeLimits) -> dict[str, dict[str, Any]]:
    """Return ``parts`` cut down to ``limits``. Each gets an equal share, and what those before it did not use."""
    fitted: dict[str, dict[str, Any]] = {}
    room = _Budget(0, 0, limits)
    waiting = sorted(parts, key=lambda part: _ORDER.get(part, 0))
    items, characters = limits.items, limits.characters
    for position, part in enumerate(waiting):
        shares = len(waiting) - position
        room.items, room.characters = items // shares, characters // shares
        items -= room.items
        characters -= room.characters
        value = room.object(parts[part], 1)
        fitted[part] = value if isinstance(value, dict) else {f"{SHORTENED}]": value}
        items += room.items
        characters += room.characters
    return {part: fitted[part] for part in parts}


_ORDER = {"notifier": 1, "user": 2, "request": 3, "context": 4}  # the small and telling ones first


def fit_frames(frames: list[Any], limits: SizeLimits) -> list[Any]:
    """Return ``frames`` cut down to ``limits``. Each gets an equal share, and what those before it did not use."""
    fitted = []
    items, characters = limits.items, limits.characters
    for position, frame in enumerate(frames):
        shares = len(frames) - position
        room = _Budget(items // shares, characters // shares, limits)
        items -= room.items
        characters -= room.characters
        fitted.append(room.value(frame, 1))
        items += room.items
        characters += room.characters
    return fitted


def limit_items(value: Any, items: int) -> Any:
    """Return a JSON value with about ``items`` keys and items at most, so that what follows costs a bounded time.

    Meant for far more than `fit_parts` and `fit_frames` keep. What describes the error has precedence; of a list that
    is too long the beginning and the end are kept.
    """
    return _ItemLimiter(items).value(value, 0)


@dataclass(slots=True)
class _ItemLimiter:
    """How many keys and items may still follow."""

    items: int

    def value(self, value: Any, depth: int) -> Any:
        if depth > _MAX_DEPTH and isinstance(value, dict | list):
            return f"{SHORTENED}: nested too deeply]"
        if type(value) is list:
            return self._list(value, depth + 1)
        return self._object(value, depth + 1) if type(value) is dict else value

    def _object(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        count = min(len(value), self.items)
        self.items -= count
        if count == len(value) and depth > 2:
            return {name: self.value(item, depth) for name, item in value.items()}
        names = list(dict.fromkeys([*(name for name in _FIRST if name in value), *value]))
        bounded = {name: self.value(value[name], depth) for name in names[:count]}
        if count < len(names):
            bounded[f"{SHORTENED}]"] = f"{len(names) - count} more keys left out"
        return bounded

    def _list(self, value: list[Any], depth: int) -> list[Any]:
        if len(value) > self.items:
            half = self.items // 4  # from each end, and as many items for what is in them
            left_out = f"{SHORTENED}: {len(value) - 2 * half} left out here]"
            value = [*value[:half], left_out, *value[len(value) - half :]]
        self.items = max(self.items - len(value), 0)
        bounded = []
        for item in value:  # a comprehension that calls `value` would take three times as long
            if item and (type(item) is list or type(item) is dict):
                item = self.value(item, depth)
            bounded.append(item)
        return bounded


_FIRST = ("error", "class", "error_class", "message", "backtrace", "fingerprint", "occurred_at", "tags")
_MAX_DEPTH = 250  # more than the setting LIMIT_DEPTH allows


@dataclass(slots=True)
class _Budget:
    """How many keys, items and characters may still follow."""

    items: int
    characters: int
    limits: SizeLimits

    def value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return self.object(value, depth + 1)
        if isinstance(value, list):
            return self._list(value, depth + 1)
        return value

    def _text(self, text: str) -> str:
        if len(text) <= _SHORT:
            return text
        cost = min(len(text), self.limits.text) - _MARK
        if cost > self.characters:
            return f"{SHORTENED}: {len(text)} characters in all]"
        self.characters -= cost
        return text

    def object(self, value: dict[str, Any], depth: int) -> Any:
        if depth > self.limits.depth or not value:
            return value  # what is nested too deeply is marked by the scrubber
        names = list(value)
        count = self._pay((len(name) + _cost(value[name]) for name in names), len(names))
        if count == len(names):
            return {name: self.value(item, depth) for name, item in value.items()}
        if not count:
            return f"{SHORTENED}: {len(names)} keys left out]"
        if "value" in value:  # in {"name": "password", "value": "x"} the name says that the value is a secret
            names = list(dict.fromkeys([*(name for name in ("name", "key") if name in value), *names]))
        fitted = {name: self.value(value[name], depth) for name in names[:count]}
        fitted[f"{SHORTENED}]"] = f"{len(names) - count} more keys left out"
        return fitted

    def _list(self, value: list[Any], depth: int) -> Any:
        if depth > self.limits.depth or not value:
            return value
        count = self._pay(map(_cost, value), len(value))
        if not count:
            return f"{SHORTENED}: {len(value)} items left out]"
        fitted = [self.value(item, depth) for item in value[:count]]
        if count < len(value):
            fitted.append(f"{SHORTENED}: {len(value) - count} more left out]")
        return fitted

    def _pay(self, costs: Iterator[int], wanted: int) -> int:
        """Pay for as many of ``wanted`` values as there is room for, else for fewer and a mark; return how many.

        ``costs`` are the characters of each. No more of them are looked at than can be paid for.
        """
        most = min(self.limits.keys, self.items)
        count = total = with_mark = total_with_mark = 0
        for cost in islice(costs, max(most, 0)):
            if total + cost > self.characters:
                break
            total += cost
            count += 1
            if count < most and total + _MARK <= self.characters:
                with_mark, total_with_mark = count, total
        if count < wanted:
            if not with_mark:
                return 0
            count, total = with_mark, total_with_mark + _MARK
            self.items -= 1
        self.items -= count
        self.characters -= total
        return count


def _cost(value: Any) -> int:
    """The characters that a value takes by itself, without what is in it."""
    if isinstance(value, str):
        return len(value) if len(value) <= _SHORT else _MARK
    if isinstance(value, int):
        return 20 if -(2**63) <= value < 2**63 else value.bit_length() // 3
    return _MARK if isinstance(value, dict | list) else 20
