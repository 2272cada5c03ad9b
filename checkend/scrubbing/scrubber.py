"""Remove secrets from reports and enforce size limits before anything is stored.

Values of secret keys are replaced by ``[FILTERED]``, in nested objects, headers, environment variables and the query
strings of URLs. Values beyond the limits are shortened and marked. Pure and idempotent: scrubbing a scrubbed report
does not change it.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

import orjson

from checkend.scrubbing.filtered_values import FILTERED, is_filtered
from checkend.scrubbing.key_names import ADDRESS_NAMES, PARAMETER_NAMES, USER_NAMES, SecretNames, normalize_key_name
from checkend.scrubbing.size_limits import SHORTENED, SizeLimits, fit_frames, fit_parts
from checkend.scrubbing.text_patterns import may_contain_secrets, remove_secrets

MAX_CLASS_LENGTH = 1000
_QUERY_NAMES = frozenset("query querystring rawquery".split())
_SECRET, _QUERY, _PLAIN = "secret", "query", "plain"
_NAME_CACHE_SIZE = 5000
_MAX_CACHED_NAME_LENGTH = 100  # longer names are not cached, so that the cache takes a few megabytes at most
_MAX_NAME_LENGTH = 500  # characters of a stored key name; of longer ones the start and a digest are stored
_EMPTY: tuple[Any, ...] = (None, "", {}, [])
# Long texts are truncated before the search for secrets, but this many characters beyond the limit, so that the context
# by which a secret is recognized is complete.
_SLACK = 4096
_MAX_SECOND_PASS_LENGTH = 1000  # characters; see `Scrubber._without_secrets`
# The start of [FILTERED], <removed> and similar marks at the end of a truncated text.
_PARTIAL_MARK = re.compile(r"[\[<({]{1,2} ?[A-Za-z]{0,10}\Z")
_CUT_END = " characters in all]"
_CUT = re.compile(r" \[SHORTENED: \d{1,20} characters in all\]\Z")


@dataclass(frozen=True, slots=True)
class ScrubbingPolicy:
    """Scrubbing rules and size limits. ``add`` and ``remove`` are parts of key names, in lower case."""

    add: frozenset[str] = frozenset()
    remove: frozenset[str] = frozenset()
    drop_personal: bool = False
    depth: int = 32
    keys: int = 1000
    text: int = 65_536
    frames: int = 500

    def limits(self) -> SizeLimits:
        """Return the limits of all details of a report together, derived from those of a single object and text."""
        return SizeLimits(5 * max(self.keys, 1000), 2 * max(self.text, 65_536), self.keys, self.text, self.depth)

    def frame_limits(self) -> SizeLimits:
        """Return the limits of all frames of a backtrace together."""
        return self.limits()._replace(items=8 * max(self.frames, 500), characters=160 * max(self.frames, 500))


class Scrubber:
    """Apply a `ScrubbingPolicy`. Thread-safe. Caches the classification of key names."""

    def __init__(self, policy: ScrubbingPolicy) -> None:
        self.policy = policy
        personal = ADDRESS_NAMES | USER_NAMES if policy.drop_personal else frozenset()
        self._secret_names = SecretNames(policy.add, policy.remove, personal)
        self._kinds: dict[str, str] = {}
        self._limits = policy.limits()
        self._frame_limits = policy.frame_limits()
        # Limit on the keys and items of a report that are parsed at all; see `limit_items`.
        self.max_items = max(12_000, 2 * self._limits.items, 4 * policy.frames)

    def details(self, details: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Scrub the details of a report: ``context``, ``request``, ``user`` and ``notifier``."""
        if self.policy.drop_personal:
            details = details | {"user": {}}
        is_large = _may_exceed(details, self._limits)
        if is_large:
            details = fit_parts(details, self._limits)
        scrubbed = {part: self._object(value, 1) for part, value in details.items()}
        # Once more, since marks may be longer than the secrets that they replace.
        return fit_parts(scrubbed, self._limits) if is_large else scrubbed

    def error_class(self, text: str) -> str:
        """Scrub an error class, and truncate it to `MAX_CLASS_LENGTH` characters."""
        return self.text(text, min(MAX_CLASS_LENGTH, self.policy.text))

    def text(self, text: str, limit: int = 0) -> str:
        """Scrub a text, and truncate it to ``limit`` characters, by default to the limit of the policy."""
        limit = limit or self.policy.text
        if text.startswith(SHORTENED) and len(text) < 100 and _LEFT_OUT.fullmatch(text):
            return text
        if len(text) > limit + _SLACK:
            return _truncate(self._without_secrets(text[: limit + _SLACK]), limit, len(text))
        if text.endswith(_CUT_END) and (mark := _CUT.search(text, len(text) - 60)):
            # The text was truncated before, possibly within a secret. Without the mark, what remains of that secret is
            # still recognized.
            return truncate(self._without_secrets(text[: mark.start()], is_cut=True) + mark[0], limit)
        return truncate(self._without_secrets(text), limit)

    def _without_secrets(self, text: str, *, is_cut: bool = False) -> str:
        scrubbed = remove_secrets(text, self._is_secret, self._is_secret_parameter, is_cut=is_cut)
        if scrubbed == text or len(text) > _MAX_SECOND_PASS_LENGTH or not _mixes_forms(scrubbed):
            return scrubbed
        # A replaced value may have separated the name and value of another secret: "--password &token=x"=>y. Longer
        # texts are not scanned twice, which bounds the time.
        return remove_secrets(scrubbed, self._is_secret, self._is_secret_parameter, is_cut=is_cut)

    def backtrace(self, raw: Any) -> list[Any]:
        """Scrub a backtrace. Always returns a list; if there are too many frames, those in the middle are left out."""
        if raw is None:
            return []
        frames = raw if isinstance(raw, list) else [raw]
        if len(frames) > self.policy.frames:
            head = self.policy.frames // 2
            tail = self.policy.frames - head - 1
            left_out = f"{SHORTENED}: {len(frames) - head - tail} frames left out]"
            frames = [*frames[:head], left_out, *frames[len(frames) - tail :]]
        if self._are_plain(frames):
            return frames
        if not _may_exceed(frames, self._frame_limits):
            return [self._frame(frame) for frame in frames]
        frames = [self._frame(frame) for frame in fit_frames(frames, self._frame_limits)]
        return fit_frames(frames, self._frame_limits)

    def _are_plain(self, frames: list[Any]) -> bool:
        """Return whether no frame contains a secret or is too long: the usual case, which takes a single scan."""
        try:
            joined = "\n".join(frames)
        except TypeError:
            if not all(type(frame) is dict and len(frame) < 10 for frame in frames):
                return False
            values = [item for frame in frames for item in frame.values() if type(item) is not int]
            if not all(type(item) is str for item in values):
                return False
            joined = "\n".join(values)
            names = {name for frame in frames for name in frame}
            if not all(self._kinds.get(name) is _PLAIN for name in names):
                return False
        return len(joined) <= self.policy.text and not may_contain_secrets(joined)

    def _frame(self, frame: Any) -> Any:
        if isinstance(frame, str):
            return frame if len(frame) < 1000 and not may_contain_secrets(frame) else self.text(frame)
        return self._value(frame, 1)

    def _value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return value if len(value) < 1000 and not may_contain_secrets(value) else self.text(value)
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
        is_named_secret = "value" in value and self._names_a_secret(value)
        for name, item in items[: policy.keys - 1] if left_out else items:
            kind = self._kinds.get(name) or self._kind(name)
            if item in _EMPTY:
                scrubbed_item = item
            elif kind is _SECRET or (is_named_secret and name == "value"):
                scrubbed_item = _filtered(item)
            elif kind is _PLAIN:
                scrubbed_item = self._value(item, depth)
            else:
                # In a query string, parameters such as ``key`` and ``code`` are secrets as well.
                scrubbed_item = self.text(f"?{item}")[1:] if isinstance(item, str) else self._value(item, depth)
            kept[name if len(name) <= _MAX_NAME_LENGTH else _short_name(name)] = scrubbed_item
        if left_out:
            kept[f"{SHORTENED}]"] = f"{left_out} more keys left out"
        return kept

    def _names_a_secret(self, value: dict[str, Any]) -> bool:
        """Return whether ``value`` is a header or form field written as ``{"name": "password", "value": …}``."""
        name = value.get("name", value.get("key"))
        return isinstance(name, str) and self._is_secret(name)

    def _list(self, value: list[Any], depth: int) -> Any:
        if depth > self.policy.depth:
            return f"{SHORTENED}: nested too deeply]"
        if len(value) > self.policy.keys:
            left_out = len(value) - self.policy.keys + 1
            value = [*value[: self.policy.keys - 1], f"{SHORTENED}: {left_out} more left out]"]
        return [self._item(item, previous, depth) for previous, item in zip(("", *value), value, strict=False)]

    def _item(self, item: Any, previous: Any, depth: int) -> Any:
        """Scrub an item of a list, which may be a pair of name and value, or follow a ``--password`` option."""
        if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) and self._is_secret(item[0]):
            return [self._value(item[0], depth), item[1] if item[1] in _EMPTY else _filtered(item[1])]
        if isinstance(item, str) and isinstance(previous, str) and previous[:1] == "-" != item[:1]:
            return _filtered(item) if item and self._is_secret(previous) else self._value(item, depth)
        return self._value(item, depth)

    def _is_secret(self, name: str) -> bool:
        return (self._kinds.get(name) or self._kind(name)) is _SECRET

    def _is_secret_parameter(self, name: str) -> bool:
        return len(name) < _MAX_CACHED_NAME_LENGTH and (
            name in PARAMETER_NAMES or normalize_key_name(name) in PARAMETER_NAMES
        )

    def _kind(self, name: str) -> str:
        """Classify the name of a key. A long name is secret if its start and end are, or the shortened name stored."""
        if len(name) <= _MAX_NAME_LENGTH:
            is_secret = name in self._secret_names
        else:
            ends = f"{name[: _MAX_NAME_LENGTH - 100]}_{name[-100:]}"
            is_secret = ends in self._secret_names or _short_name(name) in self._secret_names
        is_query = len(name) <= 30 and "query" in name.lower() and normalize_key_name(name) in _QUERY_NAMES
        kind = _SECRET if is_secret else _QUERY if is_query else _PLAIN
        if len(name) <= _MAX_CACHED_NAME_LENGTH:
            if len(self._kinds) >= _NAME_CACHE_SIZE:
                self._kinds.clear()
            self._kinds[name] = kind
        return kind


def _mixes_forms(text: str) -> bool:
    """Return whether ``text`` may contain secrets in other forms than URL parameters."""
    return '"' in text or "%" in text or "--" in text or ": " in text or ":[" in text or ":'" in text or "=>" in text


def _may_exceed(value: Any, limits: SizeLimits) -> bool:
    """Return whether ``value`` may exceed ``limits``. Fast; false positives are possible, false negatives are not."""
    try:
        text = orjson.dumps(value)
    except TypeError:  # integers of more than 64 bits, or too many levels
        return True
    if len(text) <= 2 * limits.items:  # a key or item takes at least two bytes
        return False
    items = text.count(b",") + text.count(b"[") + text.count(b"{")
    return items > limits.items or len(text) > limits.characters


def truncate(text: str, limit: int) -> str:
    """Truncate ``text`` to ``limit`` characters, including the mark at its end."""
    return text if len(text) <= limit else _truncate(text, limit, len(text))


def _truncate(text: str, limit: int, length: int) -> str:
    mark = f" {SHORTENED}: {length} characters in all]"
    text = text[: max(limit - len(mark), 0)]
    partial = _PARTIAL_MARK.search(text, max(len(text) - 14, 0))
    return (text[: partial.start()] if partial else text) + mark


def _filtered(item: Any) -> Any:
    """Return the replacement of a secret: the mark that an SDK has put there, or that of a limit, else `FILTERED`."""
    return item if isinstance(item, str) and (is_filtered(item) or _LEFT_OUT.fullmatch(item)) else FILTERED


_LEFT_OUT = re.compile(
    r"\[SHORTENED: (?:\d{1,20} (?:characters in all|keys left out|items left out|more left out)|nested too deeply)\]"
)


def _short_name(name: str) -> str:
    """Shorten a key name; a digest of the whole name keeps it unique."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return truncate(name, _MAX_NAME_LENGTH - 20) + f" ({digest})"
