"""Text from reports, made fit to be looked at: nothing runs, nothing hides, nothing breaks the page.

Reports come from anywhere. Characters that cannot be seen, or that turn the direction of what follows, are shown as
marks; each text is isolated from its surroundings; long ones are cut here and folded by the templates.
"""

import json
import re
from typing import Any

from flask import Flask
from markupsafe import Markup, escape

# Controls except tab and line feed, direction marks, invisible characters and lone surrogates (which no page can
# carry at all). Zero-width joiners stay: languages and emoji need them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
FOLD_AT = 2_000
_DEEP = "(nested too deeply to be shown)"


def register(app: Flask) -> None:
    """Give the templates of ``app`` the functions of this module as filters."""
    for function in (escape_controls, safe_html, truncate_line, pretty_json, safe_link):
        app.add_template_filter(function)


def escape_controls(text: str) -> str:
    """``text`` as plain text in which characters that cannot be seen stand as marks, such as ␀ or [U+202E]."""
    return _INVISIBLE.sub(lambda found: _mark(found[0]), text.replace("\r\n", "\n"))


def safe_html(text: object) -> Markup:
    """A value for a page: escaped, marks for what cannot be seen set off, isolated from the text around it."""
    plain = text if isinstance(text, str) else pretty_json(text)
    parts: list[Markup] = []
    done = 0
    plain = plain.replace("\r\n", "\n")
    for found in _INVISIBLE.finditer(plain):
        parts.append(escape(plain[done : found.start()]))
        parts.append(Markup('<span class="unseen" title="U+{:04X}">{}</span>').format(ord(found[0]), _mark(found[0])))
        done = found.end()
    parts.append(escape(plain[done:]))
    return Markup("<bdi>{}</bdi>").format(Markup("").join(parts))


def truncate_line(text: str, length: int) -> str:
    """At most ``length`` characters of ``text``, on one line, ending in … where there are more."""
    line = " ".join(text[: length * 4].split())
    return line if len(line) <= length and len(text) <= length * 4 else line[: length - 1] + "…"


def pretty_json(value: Any) -> str:
    """``value`` as indented JSON, in which what cannot be seen is written as \\u escapes: it can be copied as it is."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False)
    except RecursionError:
        text = _compact(value)
    return _INVISIBLE.sub(lambda found: _escape_json(found[0]), text)


def _compact(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return json.dumps(_DEEP)


def _escape_json(character: str) -> str:
    return json.dumps(character)[1:-1] if ord(character) > 0x7F else f"\\u{ord(character):04x}"


def _mark(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"[U+{code:04X}]"


def safe_link(text: object) -> str | None:
    """``text`` when it is an address that a page may link to: http or https, of a sane length, all of it visible."""
    if not isinstance(text, str) or len(text) > FOLD_AT or _INVISIBLE.search(text):
        return None
    return text if re.match(r"https?://[^\s]+\Z", text) else None
