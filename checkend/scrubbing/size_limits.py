"""Limit the total size of a report: its keys and items, and its characters.

Limits on single objects, lists and texts are not enough: thousands of objects, each within its limits, take seconds.
Values that exceed the limits are left out and marked. Texts are not truncated here, so that the context by which
a secret is recognized remains complete.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

SHORTENED = "[SHORTENED"
# Texts up to this length are paid for together with their object, so that a large value does not displace small ones.
_SHORT = 200
_MARK = 60  # maximum length of a mark in place of a value


class SizeLimits(NamedTuple):
    """The total limits ``items`` and ``characters``, and those of each object or list, each text, and of nesting."""

    items: int
    characters: int
    keys: int
    text: int
    depth: int


def fit_parts(parts: dict[str, dict[str, Any]], limits: SizeLimits) -> dict[str, dict[str, Any]]:
    """Return ``parts`` reduced to ``limits``. Each gets an equal share, and what the previous ones did not use."""
    fitted: dict[str, dict[str, Any]] = {}
    budget = _Budget(0, 0, limits)
    ordered = sorted(parts, key=lambda part: _ORDER.get(part, 0))
    items, characters = limits.items, limits.characters
    for position, part in enumerate(ordered):
        shares = len(ordered) - position
        budget.items, budget.characters = items // shares, characters // shares
        items -= budget.items
        characters -= budget.characters
        value = budget.object(parts[part], 1)
        fitted[part] = value if isinstance(value, dict) else {f"{SHORTENED}]": value}
        items += budget.items
        characters += budget.characters
    return {part: fitted[part] for part in parts}


_ORDER = {"notifier": 1, "user": 2, "request": 3, "context": 4}  # usually small, important ones first


def fit_frames(frames: list[Any], limits: SizeLimits) -> list[Any]:
    """Return ``frames`` reduced to ``limits``. Each gets an equal share, and what the previous ones did not use."""
    fitted = []
    items, characters = limits.items, limits.characters
    for position, frame in enumerate(frames):
        shares = len(frames) - position
        budget = _Budget(items // shares, characters // shares, limits)
        items -= budget.items
        characters -= budget.characters
        fitted.append(budget.value(frame, 1))
        items += budget.items
        characters += budget.characters
    return fitted


def limit_items(value: Any, items: int) -> Any:
    """Reduce a JSON value to about ``items`` keys and items, which bounds the time of all further steps.

    ``items`` should be far more than `fit_parts` and `fit_frames` keep. Keys that describe the error take precedence;
    the start and end of a list that is too long are kept.
    """
    return _ItemLimiter(items).value(value, 0)


@dataclass(slots=True)
class _ItemLimiter:
    """The number of keys and items that may still follow."""

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
            half = self.items // 4  # from each end; the other half is for the contents of these items
            left_out = f"{SHORTENED}: {len(value) - 2 * half} left out here]"
            value = [*value[:half], left_out, *value[len(value) - half :]]
        self.items = max(self.items - len(value), 0)
        bounded = []
        for item in value:  # a comprehension that calls `value` takes three times as long
            if item and (type(item) is list or type(item) is dict):
                item = self.value(item, depth)
            bounded.append(item)
        return bounded


_FIRST = ("error", "class", "error_class", "message", "backtrace", "fingerprint", "occurred_at", "tags")
_MAX_DEPTH = 250  # more than the setting LIMIT_DEPTH allows


@dataclass(slots=True)
class _Budget:
    """The number of keys, items and characters that may still follow."""

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
            return value  # the scrubber marks values that are nested too deeply
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

    def _pay(self, costs: Iterator[int], length: int) -> int:
        """Pay for all ``length`` values, or for as many as fit together with a mark, and return their number.

        ``costs`` are the characters of each value. Only as many are evaluated as can be paid for.
        """
        limit = min(self.limits.keys, self.items)
        count = total = with_mark = total_with_mark = 0
        for cost in islice(costs, max(limit, 0)):
            if total + cost > self.characters:
                break
            total += cost
            count += 1
            if count < limit and total + _MARK <= self.characters:
                with_mark, total_with_mark = count, total
        if count < length:
            if not with_mark:
                return 0
            count, total = with_mark, total_with_mark + _MARK
            self.items -= 1
        self.items -= count
        self.characters -= total
        return count


def _cost(value: Any) -> int:
    """Return the number of characters of a value without those of the values in it."""
    if isinstance(value, str):
        return len(value) if len(value) <= _SHORT else _MARK
    if isinstance(value, int):
        return 20 if -(2**63) <= value < 2**63 else value.bit_length() // 3
    return _MARK if isinstance(value, dict | list) else 20
