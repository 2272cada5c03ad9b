"""What is taken out of a report, or shortened, before anything is stored.

Values under keys that look like secrets become ``[FILTERED]``, in nested objects, headers, environment variables and
the query strings of URLs. Values beyond the limits are shortened, and say so. Pure, and idempotent: what went
through once goes through again unchanged.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

FILTERED = "[FILTERED]"
SHORTENED = "[SHORTENED"

# Parts of a key's name, without its case, hyphens and underscores, that make its value a secret.
SECRET_PARTS = frozenset(
    "password passwd passphrase secret token authorization cookie apikey accesskey privatekey signingkey encryptionkey "
    "credential creditcard cardnumber cvv cvc securitycode iban accountnumber sessionid csrf xsrf jwt bearer "
    "connectionstring databaseurl ingestionkey".split()
)
# Whole names that are too short to look for inside others.
SECRET_NAMES = frozenset("pwd pass pw pin ssn sid auth otp card dsn".split())
ADDRESS_NAMES = frozenset(
    "ip ipaddress remoteip remoteaddr remoteaddress clientip clientaddr clientaddress xforwardedfor httpxforwardedfor "
    "forwarded httpforwarded xrealip httpxrealip cfconnectingip httpcfconnectingip trueclientip httptrueclientip "
    "httpclientip xclientip fastlyclientip".split()
)
_QUERY_NAMES = frozenset("query querystring rawquery".split())
_NOT_ALNUM = re.compile(r"[^a-z0-9]+")
_PARAMETER = re.compile(r"(?P<before>[?&;])(?P<name>[^=&;?#\s\"'<>]{1,200})=(?P<value>[^&;#\s\"'<>]+)")
_FIRST_PARAMETER = re.compile(r"\A(?P<before>)(?P<name>[^=&;?#\s\"'<>]{1,200})=(?P<value>[^&;#\s\"'<>]+)")
_USERINFO = re.compile(
    r"(?P<before>\b[a-z][a-z0-9+.-]{1,20}://[^\s/?#@:]{0,200}:)(?P<value>[^\s/?#@]{1,400})(?=@)", re.I
)


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
        removed = _plain(policy.remove)
        self._parts = (SECRET_PARTS | _plain(policy.add)) - removed
        self._names = (SECRET_NAMES | (ADDRESS_NAMES if policy.drop_personal else frozenset())) - removed
        self._kinds: dict[str, str] = {}

    def details(self, details: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """``context request user notifier`` as they may be stored."""
        if self.policy.drop_personal:
            details = details | {"user": {}}
        return {part: self._object(value, 1) for part, value in details.items()}

    def text(self, text: str) -> str:
        """A message, or any other text, as it may be stored."""
        if "=" in text and ("?" in text or "&" in text):
            text = _PARAMETER.sub(self._parameter, text)
        if "@" in text and "://" in text:
            text = _USERINFO.sub(rf"\g<before>{FILTERED}", text)
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
        return [self._value(frame, 1) for frame in frames]

    def _value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return value if "=" not in value and "@" not in value and len(value) < 1000 else self.text(value)
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
        for name, item in items[: policy.keys - 1] if left_out else items:
            kind = self._kinds.get(name) or self._kind(name)
            if item in _EMPTY:
                cleaned = item
            elif kind is _PLAIN:
                cleaned = self._value(item, depth)
            elif kind is _SECRET:
                cleaned = FILTERED
            else:
                cleaned = self._query(item, depth)
            kept[name if len(name) <= _NAME_LENGTH else shorten(name, _NAME_LENGTH)] = cleaned
        if left_out:
            kept[f"{SHORTENED}]"] = f"{left_out} more keys left out"
        return kept

    def _query(self, item: Any, depth: int) -> Any:
        """A query string stands without the question mark that gives it away elsewhere."""
        if isinstance(item, str):
            item = _FIRST_PARAMETER.sub(self._parameter, item)
        return self._value(item, depth)

    def _list(self, value: list[Any], depth: int) -> Any:
        if depth > self.policy.depth:
            return f"{SHORTENED}: nested too deeply]"
        if len(value) > self.policy.keys:
            left_out = len(value) - self.policy.keys + 1
            value = [*value[: self.policy.keys - 1], f"{SHORTENED}: {left_out} more left out]"]
        return [self._value(item, depth) for item in value]

    def _kind(self, name: str) -> str:
        plain = _NOT_ALNUM.sub("", name[:_NAME_LENGTH].lower())
        if plain in _QUERY_NAMES:
            kind = _QUERY
        elif plain in self._names or any(part in plain for part in self._parts):
            kind = _SECRET
        else:
            kind = _PLAIN
        if len(name) <= _NAME_LENGTH:
            if len(self._kinds) >= _REMEMBERED_NAMES:
                self._kinds.clear()
            self._kinds[name] = kind
        return kind

    def _parameter(self, match: re.Match[str]) -> str:
        if self._kind(match["name"]) is not _SECRET:
            return match[0]
        return f"{match['before']}{match['name']}={FILTERED}"


def _plain(names: Iterable[str]) -> frozenset[str]:
    return frozenset(_NOT_ALNUM.sub("", name.lower()) for name in names) - {""}
