"""What is taken out of a report, or shortened, before anything is stored.

Values under keys that look like secrets become ``[FILTERED]``, in nested objects, headers, environment variables and
the query strings of URLs. Values beyond the limits are shortened, and say so. Pure, and idempotent: what went
through once goes through again unchanged.
"""

from dataclasses import dataclass
from typing import Any

from checkend.ingest.secret_names import ADDRESS_NAMES, USER_NAMES, SecretNames, bare
from checkend.ingest.secret_texts import hides_something, is_marked, without_secrets

FILTERED = "[FILTERED]"
SHORTENED = "[SHORTENED"
_QUERY_NAMES = frozenset("query querystring rawquery".split())
_SECRET, _QUERY, _PLAIN = "secret", "query", "plain"
_REMEMBERED_NAMES = 5000
_NAME_LENGTH = 500
_EMPTY: tuple[Any, ...] = (None, "", {}, [])


@dataclass(frozen=True, slots=True)
class Policy:
    """What is private and how much is kept. ``add`` and ``remove`` are parts of key names, in lower case."""

    add: frozenset[str] = frozenset()
    remove: frozenset[str] = frozenset()
    drop_personal: bool = False
    depth: int = 32
    keys: int = 1000
    text: int = 65_536
    frames: int = 500


def shorten(text: str, limit: int) -> str:
    """``text`` cut to ``limit`` characters, the mark that says so included."""
    if len(text) <= limit:
        return text
    mark = f" {SHORTENED}: {len(text)} characters in all]"
    return text[: max(limit - len(mark), 0)] + mark


class Scrubber:
    """Applies one `Policy`. Safe for any number of threads; remembers what it decided about the names of keys."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        personal = ADDRESS_NAMES | USER_NAMES if policy.drop_personal else frozenset()
        self._secret_names = SecretNames(policy.add, policy.remove, personal)
        self._kinds: dict[str, str] = {}

    def details(self, details: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """``context request user notifier`` as they may be stored."""
        if self.policy.drop_personal:
            details = details | {"user": {}}
        return {part: self._object(value, 1) for part, value in details.items()}

    def text(self, text: str) -> str:
        """A message, or any other text, as it may be stored."""
        text = without_secrets(text, self._is_secret)
        return shorten(text, self.policy.text)

    def backtrace(self, raw: Any) -> list[Any]:
        """A backtrace as it may be stored: always a list; of too many frames those in the middle are left out."""
        if raw is None:
            return []
        frames = raw if isinstance(raw, list) else [raw]
        if len(frames) > self.policy.frames:
            head = self.policy.frames // 2
            tail = self.policy.frames - head - 1
            left_out = f"{SHORTENED}: {len(frames) - head - tail} frames left out]"
            frames = [*frames[:head], left_out, *frames[len(frames) - tail :]]
        return [self._frame(frame) for frame in frames]

    def _frame(self, frame: Any) -> Any:
        """Lines of code are full of quotes; what may hide in them stands in an address."""
        if isinstance(frame, str):
            return frame if _is_short_and_plain(frame) else self.text(frame)
        if isinstance(frame, dict) and len(frame) < 10 and all(map(self._is_plain, frame, frame.values())):
            return frame
        return self._value(frame, 1)

    def _is_plain(self, name: str, item: Any) -> bool:
        kind = type(item)
        return (kind is int or (kind is str and _is_short_and_plain(item))) and self._kinds.get(name) is _PLAIN

    def _value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return value if len(value) < 1000 and not hides_something(value) else self.text(value)
        if isinstance(value, dict):
            return self._object(value, depth + 1)
        if isinstance(value, list):
            return self._list(value, depth + 1)
        return value

    def _object(self, value: dict[str, Any], depth: int) -> Any:
        policy = self.policy
        if depth > policy.depth:
            return f"{SHORTENED}: nested too deeply]"
        items = list(value.items())
        left_out = len(items) - policy.keys + 1 if len(items) > policy.keys else 0
        kept: dict[str, Any] = {}
        named_inside = "value" in value and self._names_a_secret(value)
        for name, item in items[: policy.keys - 1] if left_out else items:
            kind = self._kinds.get(name) or self._kind(name)
            if item in _EMPTY:
                cleaned = item
            elif kind is _SECRET or (named_inside and name == "value"):
                cleaned = _filtered(item)
            elif kind is _PLAIN:
                cleaned = self._value(item, depth)
            else:
                cleaned = self._query(item, depth)
            kept[name if len(name) <= _NAME_LENGTH else _short_name(name, kept)] = cleaned
        if left_out:
            kept[f"{SHORTENED}]"] = f"{left_out} more keys left out"
        return kept

    def _names_a_secret(self, value: dict[str, Any]) -> bool:
        """Whether it is ``{"name": "password", "value": …}``, as some write headers and form fields."""
        name = value.get("name", value.get("key"))
        return isinstance(name, str) and self._is_secret(name)

    def _query(self, item: Any, depth: int) -> Any:
        """A query string: in one, even a mere ``key`` or ``code`` is a secret."""
        return self.text(f"?{item}")[1:] if isinstance(item, str) else self._value(item, depth)

    def _list(self, value: list[Any], depth: int) -> Any:
        if depth > self.policy.depth:
            return f"{SHORTENED}: nested too deeply]"
        if len(value) > self.policy.keys:
            left_out = len(value) - self.policy.keys + 1
            value = [*value[: self.policy.keys - 1], f"{SHORTENED}: {left_out} more left out]"]
        return [self._item(item, before, depth) for before, item in zip(("", *value), value, strict=False)]

    def _item(self, item: Any, before: Any, depth: int) -> Any:
        """An item of a list: a pair of name and value, or the value of a command line's ``--password``."""
        if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) and self._is_secret(item[0]):
            return [self._value(item[0], depth), item[1] if item[1] in _EMPTY else _filtered(item[1])]
        if isinstance(item, str) and isinstance(before, str) and before[:1] == "-" != item[:1]:
            return _filtered(item) if item and self._is_secret(before) else self._value(item, depth)
        return self._value(item, depth)

    def _is_secret(self, name: str) -> bool:
        return (self._kinds.get(name) or self._kind(name)) is _SECRET

    def _kind(self, name: str) -> str:
        start = name[:_NAME_LENGTH]
        kind = _SECRET if start in self._secret_names else _QUERY if bare(start) in _QUERY_NAMES else _PLAIN
        if len(name) <= _NAME_LENGTH:
            if len(self._kinds) >= _REMEMBERED_NAMES:
                self._kinds.clear()
            self._kinds[name] = kind
        return kind


def _is_short_and_plain(text: str) -> bool:
    return "=" not in text and "@" not in text and len(text) < 1000


def _filtered(item: Any) -> Any:
    """What stands for a secret: what an SDK has put for it already, else our own mark."""
    return item if isinstance(item, str) and is_marked(item) else FILTERED


def _short_name(name: str, taken: dict[str, Any]) -> str:
    """``name`` shortened, and still no other name's."""
    short, number = shorten(name, _NAME_LENGTH), 1
    while short in taken:
        number += 1
        short = shorten(name, _NAME_LENGTH - 10) + f" ({number})"
    return short
