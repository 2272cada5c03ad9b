"""Secrets within texts: URL parameters, connection strings, JSON in strings, headers, user info, command line options.

Every pattern takes linear time, and is idempotent.
"""

import re
from collections.abc import Callable
from urllib.parse import unquote

from checkend.scrubbing.filtered_values import FILTERED, filtered_like, is_filtered, nested_end
from checkend.scrubbing.labelled_values import filter_compact, filter_labelled, filter_options, has_compact_label

IsSecret = Callable[[str], bool]

__all__ = ["FILTERED", "is_filtered", "may_contain_secrets", "remove_secrets"]

# ?token=x  &token=x  #token=x  Password=x;  password='x y'
_PARAMETER = re.compile(
    r"""(\A|[?&;\#,\s("'{])([^=&;?\#,\s"'<>(){}]{1,200})=("[^"]*+"?|'[^']*+'?|[^&;\#\s"'<>]++)""",
    re.VERBOSE,
)
# The same, URL-encoded up to three times, as in ?next=%2Fpage%3Ftoken%3Dx or next=token%3Dx.
_ENCODED = re.compile(
    r"""((?:%(?:25){0,2}(?!25|5B|5D|2D|2E|5F)[0-9A-F]{2}|(?<![^=&?\#;,\s"'<>(){}/])))
        ((?:[^%=&?\#;,\s"'<>(){}/]|%(?:25){0,2}(?:5B|5D|2D|2E|5F)){1,200}+)(%(?:25){0,2}3D)
        ((?:(?!%(?:25){0,2}2[36])[^&;#\s"'<>])++)""",
    re.IGNORECASE | re.VERBOSE,
)
# The key in "password": "x"  'password': 'x'  "password"=>"x", and with the backslashes of JSON in JSON
_KEY = re.compile(r"""["']([\w.\ \[\]-]{1,100})\\{0,3}["']\s{0,3}(?::|=>)\s{0,3}""")
# Its value, unless that is an object or list.
_VALUE = re.compile(
    r"""(\\{1,3}["'])(?:(?!\\{1,3}["']).)*+(?:\\{1,3}["'])? | "(?:[^"\\]++|\\.)*+"? | '(?:[^'\\]++|\\.)*+'? |
        [^\s,;}\]"'\\{\[]++""",
    re.VERBOSE | re.DOTALL,
)
_USERINFO = re.compile(
    r"(?P<before>\b[a-z][a-z0-9+.-]{1,20}://(?:[^\s/?#@:]{0,200}:(?=[^\s/?#]{1,400}@)|(?=[^\s/?#@:]{20,400}@)))"
    r"[^\s/?#]{1,400}(?=@)",
    re.IGNORECASE,
)
_CREDENTIALS = re.compile(r"\b((?:bearer|basic) {1,3})(?=[\w.~+/-]{0,2000}[0-9=])[\w.~+/=-]{12,4000}", re.IGNORECASE)
_HEADER = re.compile(
    r"((?:(?:proxy-)?authorization|(?:set-)?cookie)\s{0,2}:\s{0,2})(?!\s)([^\r\n\"']{1,8000})", re.IGNORECASE
)


def may_contain_secrets(text: str) -> bool:
    """Return whether ``text`` may contain secrets. Fast; false positives are possible, false negatives are not."""
    return (
        "=" in text
        or "@" in text
        or '"' in text
        or "%" in text
        or (" " in text and (": " in text or "--" in text or "earer " in text or "asic " in text))
        or (
            ":" in text
            and (
                "uthorization" in text
                or "ookie" in text
                or "OOKIE" in text
                or "UTHORIZATION" in text
                or has_compact_label(text)
            )
        )
    )


def remove_secrets(text: str, is_secret: IsSecret, is_secret_parameter: IsSecret, *, is_cut: bool = False) -> str:
    """Replace the values of secret names in ``text``, and passwords in URLs, by `FILTERED`.

    In the query string of a URL a name is secret if either ``is_secret`` or ``is_secret_parameter`` returns True.
    ``is_cut`` means that the text was scrubbed and truncated before, so it is unknown what followed its last word.
    """

    def filter_parameter(match: re.Match[str]) -> str:
        before, name, value = match.groups()
        if "%" in name:
            name = unquote(name)
        if not (is_secret(name) or (before in _IN_URL and is_secret_parameter(name))) or is_filtered(value):
            return match[0]
        return f"{before}{match[2]}={filtered_like(value)}"

    def filter_encoded(match: re.Match[str]) -> str:
        before, name, equals, value = match.groups()
        plain = unquote(unquote(unquote(name)))
        in_url = before[-2:].upper() in ("3F", "26")
        if not (is_secret(plain) or (in_url and is_secret_parameter(plain))) or is_filtered(value):
            return match[0]
        return f"{before}{name}{equals}{FILTERED}"

    if "=" in text:
        text = _PARAMETER.sub(filter_parameter, text)
    if "%" in text and ("3D" in text or "3d" in text):
        text = _ENCODED.sub(filter_encoded, text)
    has_labels = ": " in text
    if '"' in text or "'=>" in text or (has_labels and "': " in text):
        text = _filter_quoted(text, is_secret)
    if "@" in text and "://" in text:
        text = _USERINFO.sub(rf"\g<before>{FILTERED}", text)
    if "earer " in text or "asic " in text:
        text = _CREDENTIALS.sub(rf"\1{FILTERED}", text)
    if has_labels or "uthorization" in text or "ookie" in text or "OOKIE" in text or "UTHORIZATION" in text:
        text = _HEADER.sub(lambda match: match[0] if is_filtered(match[2]) else f"{match[1]}{FILTERED}", text)
    if has_labels or "=>" in text:
        text = filter_labelled(text, is_secret, is_cut=is_cut)
    if ":" in text and has_compact_label(text):
        text = filter_compact(text, is_secret, is_cut=is_cut)
    if "--" in text:
        text = filter_options(text, is_secret)
    return text


_IN_URL = frozenset("?&#")


def _filter_quoted(text: str, is_secret: IsSecret) -> str:
    """Replace the values of secret names at any depth in JSON and in similar notations.

    The value of a secret is replaced as a whole; that of any other name is searched for further names.
    """
    parts: list[str] = []
    done = 0
    key = _KEY.search(text)
    while key is not None:
        end = key.end()
        if is_secret(key[1]):
            value = _VALUE.match(text, end)
            value_end = value.end() if value else nested_end(text, end)
            if value_end > end and not is_filtered(text[end:value_end]):
                parts += [text[done:end], filtered_like(text[end:value_end], quoted=True)]
                done = value_end
            end = value_end
        key = _KEY.search(text, end)
    return "".join([*parts, text[done:]]) if parts else text
