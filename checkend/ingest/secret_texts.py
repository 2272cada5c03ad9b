"""Secrets within texts: parameters of URLs, parts of connection strings, JSON in a string, headers, userinfo.

Every pattern is linear in the length of the text, and changes nothing in what it has changed before.
"""

import re
from collections.abc import Callable
from urllib.parse import unquote

from checkend.ingest.secret_names import PARAMETER_NAMES, bare

FILTERED = "[FILTERED]"

IsSecret = Callable[[str], bool]

# What others put for a secret that they took out.
_MARK = re.compile(
    r"[\[<({]{1,2} ?(?:filtered|redacted|removed|hidden|masked|scrubbed|protected|omitted|secret) ?[\])>}]{1,2}|"
    r"[*•]{3,60}",
    re.IGNORECASE,
)
# ?token=x  &token=x  #token=x  Password=x;  password='x y'
_PARAMETER = re.compile(
    r"""(?P<before>\A|[?&;\#,\s("'{])(?P<name>[^=&;?\#,\s"'<>(){}]{1,200})=
        (?P<value>"[^"]*+"?|'[^']*+'?|[^&;\#\s"'<>]++)""",
    re.VERBOSE,
)
# The same once more encoded, as in ?next=%2Fpage%3Ftoken%3Dx
_ENCODED = re.compile(
    r"(?P<before>%3F|%26)(?P<name>[^%&=\s\"'<>]{1,200})%3D(?P<value>(?:(?!%26|%23)[^&;#\s\"'<>])++)", re.IGNORECASE
)
# "password": "x"  'password': 'x'  "password"=>"x", and with the backslashes of JSON in JSON
_QUOTED = re.compile(
    r"""(?P<before>["'])(?P<name>[\w.\ \[\]-]{1,100})(?P<middle>\\{0,3}["']\s{0,3}(?::|=>)\s{0,3})
        (?P<value>(?P<open>\\{1,3}["'])(?:(?!\\{1,3}["']).)*+(?:\\{1,3}["'])? |
                  "(?:[^"\\]++|\\.)*+"? | '(?:[^'\\]++|\\.)*+'? |
                  [\[{][^\]}]*+[\]}]? | [^\s,;}\]"'\\{\[]++)""",
    re.VERBOSE | re.DOTALL,
)
_USERINFO = re.compile(
    r"(?P<before>\b[a-z][a-z0-9+.-]{1,20}://(?:[^\s/?#@:]{0,200}:(?=[^\s/?#]{1,400}@)|(?=[^\s/?#@:]{20,400}@)))"
    r"[^\s/?#]{1,400}(?=@)",
    re.IGNORECASE,
)
_CREDENTIALS = re.compile(r"\b((?:bearer|basic)\s{1,3})(?=[\w.~+/-]{0,2000}[0-9=])[\w.~+/=-]{12,4000}", re.IGNORECASE)
_HEADER = re.compile(
    r"((?:proxy-)?authorization|(?:set-)?cookie)(\s{0,2}:\s{0,2})(?!\s)[^\r\n\"']{1,8000}", re.IGNORECASE
)


def is_marked(text: str) -> bool:
    """Whether ``text`` is what somebody put for a secret."""
    return _MARK.fullmatch(text) is not None


def hides_something(text: str) -> bool:
    """Whether a short text may hold what `without_secrets` looks for. Meant to be cheap, not exact."""
    return "=" in text or "@" in text or '"' in text or "': " in text or "earer" in text or "uthorization" in text


def without_secrets(text: str, is_secret: IsSecret) -> str:
    """``text`` with `FILTERED` for the values of all names that ``is_secret``, and for passwords in addresses."""

    def hide(match: re.Match[str]) -> str:
        name, value = match["name"], match["value"]
        if "%" in name:
            name = unquote(name)
        in_address = match["before"] in _IN_ADDRESS and bare(name) in PARAMETER_NAMES
        if not (in_address or is_secret(name)) or is_marked(value.strip("\"'\\")) or FILTERED.startswith(value):
            return match[0]
        return match[0][: match.start("value") - match.start()] + _quoted(value, match.re is _QUOTED)

    if "=" in text:
        text = _PARAMETER.sub(hide, text)
        if "%3" in text:
            text = _ENCODED.sub(hide, text)
    if '"' in text or "': " in text:
        text = _QUOTED.sub(hide, text)
    if "@" in text and "://" in text:
        text = _USERINFO.sub(rf"\g<before>{FILTERED}", text)
    if "earer" in text or "asic" in text:
        text = _CREDENTIALS.sub(rf"\1{FILTERED}", text)
    if "uthorization" in text or "ookie" in text:
        text = _HEADER.sub(rf"\1\2{FILTERED}", text)
    return text


_IN_ADDRESS = ("?", "&", "#", "%3F", "%3f", "%26")


def _quoted(value: str, always: bool) -> str:
    """`FILTERED` in the quotes that ``value`` has; in JSON, where it has none, in new ones."""
    quotes = value[: len(value) - len(value.lstrip("\\"))]
    mark = value[len(quotes) : len(quotes) + 1]
    if mark in ('"', "'"):
        return f"{quotes}{mark}{FILTERED}{quotes}{mark}"
    return f'"{FILTERED}"' if always else FILTERED
