"""What is taken out of a report, or shortened, before anything is stored.

Values under keys that look like secrets become ``[FILTERED]``, in nested objects, headers, environment variables and
the query strings of URLs. Values beyond the limits are shortened, and say so. Pure, and idempotent: what went
through once goes through again unchanged.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
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


def scrub(details: dict[str, dict[str, Any]], policy: Policy) -> dict[str, dict[str, Any]]:
    """``context request user notifier`` as they may be stored."""
    if policy.drop_personal:
        details = details | {"user": {}}
    return {part: _object(value, policy, 1) for part, value in details.items()}


def scrub_text(text: str, policy: Policy) -> str:
    """A message or a line of a backtrace as it may be stored."""
    return shorten(_in_urls(text, policy), policy.text)


def scrub_backtrace(raw: Any, policy: Policy) -> list[Any]:
    """A backtrace as it may be stored: always a list; of too many frames those in the middle are left out."""
    if raw is None:
        return []
    frames = raw if isinstance(raw, list) else [raw]
    if len(frames) > policy.frames:
        head = policy.frames // 2
        tail = policy.frames - head - 1
        left_out = f"{SHORTENED}: {len(frames) - head - tail} frames left out]"
        frames = [*frames[:head], left_out, *(frames[-tail:] if tail else [])]
    return [_value(frame, policy, 1) for frame in frames]


def shorten(text: str, limit: int) -> str:
    """``text`` cut to ``limit`` characters, the mark that says so included."""
    if len(text) <= limit:
        return text
    mark = f" {SHORTENED}: {len(text)} characters in all]"
    return text[: max(limit - len(mark), 0)] + mark


def _value(value: Any, policy: Policy, depth: int) -> Any:
    if isinstance(value, str):
        return scrub_text(value, policy) if value else value
    if isinstance(value, dict):
        return _object(value, policy, depth + 1)
    if isinstance(value, list):
        return _list(value, policy, depth + 1)
    return value


def _object(value: dict[str, Any], policy: Policy, depth: int) -> Any:
    if depth > policy.depth:
        return f"{SHORTENED}: nested too deeply]"
    kept: dict[str, Any] = {}
    for place, (name, item) in enumerate(value.items()):
        if place == policy.keys - 1 and len(value) > policy.keys:
            kept[SHORTENED + "]"] = f"{len(value) - place} more keys left out"
            break
        kept[shorten(name, 500) if len(name) > 500 else name] = _under(name, item, policy, depth)
    return kept


def _under(name: str, item: Any, policy: Policy, depth: int) -> Any:
    if item is None or item == "" or item == {} or item == []:
        return item
    kind = _kind(name[:500], policy)
    if kind == "secret":
        return FILTERED
    if kind == "query" and isinstance(item, str):
        return _value(_FIRST_PARAMETER.sub(lambda match: _parameter(match, policy), item), policy, depth)
    return _value(item, policy, depth)


def _list(value: list[Any], policy: Policy, depth: int) -> Any:
    if depth > policy.depth:
        return f"{SHORTENED}: nested too deeply]"
    if len(value) > policy.keys:
        left_out = len(value) - policy.keys + 1
        value = [*value[: policy.keys - 1], f"{SHORTENED}: {left_out} more left out]"]
    return [_value(item, policy, depth) for item in value]


@lru_cache(maxsize=4096)
def _kind(name: str, policy: Policy) -> str:
    plain = _NOT_ALNUM.sub("", name.lower())
    if plain in _QUERY_NAMES:
        return "query"
    if policy.drop_personal and plain in ADDRESS_NAMES:
        return "secret"
    parts = (SECRET_PARTS | _plain(policy.add)) - _plain(policy.remove)
    if plain in SECRET_NAMES - _plain(policy.remove) or any(part in plain for part in parts):
        return "secret"
    return ""


def _plain(names: Iterable[str]) -> frozenset[str]:
    return frozenset(_NOT_ALNUM.sub("", name.lower()) for name in names) - {""}


def _in_urls(text: str, policy: Policy) -> str:
    if "=" in text and ("?" in text or "&" in text):
        text = _PARAMETER.sub(lambda match: _parameter(match, policy), text)
    if "@" in text and "://" in text:
        text = _USERINFO.sub(rf"\g<before>{FILTERED}", text)
    return text


def _parameter(match: re.Match[str], policy: Policy) -> str:
    if _kind(match["name"], policy) != "secret":
        return match[0]
    return f"{match['before']}{match['name']}={FILTERED}"
