"""Make untrusted text from reports safe to display: it cannot run, hide anything or break the page.

Control characters, invisible characters and those that change the text direction are replaced by visible symbols, and
each text is isolated from the direction of the text around it. Long texts are truncated here or folded by templates.
"""

import json
import re
from typing import Any

from flask import Flask
from markupsafe import Markup, escape

# Control characters except tab and line feed, direction marks, invisible characters and lone surrogates (which cannot
# be encoded in a page at all). Zero-width joiners are kept: some languages and emoji need them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
FOLD_AT = 2_000
_TOO_DEEP = "(nested too deeply to display)"


def register(app: Flask) -> None:
    """Register the functions of this module as template filters of ``app``."""
    for function in (escape_controls, safe_html, truncate_line, pretty_json, safe_link):
        app.add_template_filter(function)


def escape_controls(text: str) -> str:
    """Return plain text in which symbols such as ␀ or [U+202E] replace invisible characters."""
    return _INVISIBLE.sub(lambda match: _symbol(match[0]), text.replace("\r\n", "\n"))


def safe_html(text: object) -> Markup:
    """Return a value as HTML: escaped, isolated from the text around it, with symbols for invisible characters."""
    plain = (text if isinstance(text, str) else pretty_json(text)).replace("\r\n", "\n")
    parts: list[Markup] = []
    end = 0
    for match in _INVISIBLE.finditer(plain):
        parts.append(escape(plain[end : match.start()]))
        parts.append(Markup('<span class="unseen" title="U+{:04X}">{}</span>').format(ord(match[0]), _symbol(match[0])))
        end = match.end()
    parts.append(escape(plain[end:]))
    return Markup("<bdi>{}</bdi>").format(Markup("").join(parts))


def truncate_line(text: str, length: int) -> str:
    """Return ``text`` as one line of at most ``length`` characters, ending in … if it was longer."""
    line = " ".join(text[: length * 4].split())
    return line if len(line) <= length and len(text) <= length * 4 else line[: length - 1] + "…"


def pretty_json(value: Any) -> str:
    """Return ``value`` as indented JSON that is safe to copy: invisible characters are escaped.

    The pure-Python encoder that indents reaches Python's recursion limit first: deeper values are not indented.
    """
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False)
    except RecursionError:
        try:
            text = json.dumps(value, ensure_ascii=False)
        except RecursionError:
            text = json.dumps(_TOO_DEEP)
    # json.dumps escapes everything that is not ASCII, but not DEL.
    return _INVISIBLE.sub(lambda match: r"\u007f" if match[0] == "\x7f" else json.dumps(match[0])[1:-1], text)


def _symbol(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"[U+{code:04X}]"


def safe_link(text: object) -> str | None:
    """Return ``text`` if it is a URL that is safe to link to: HTTP(S), not too long, without invisible characters."""
    if not isinstance(text, str) or len(text) > FOLD_AT or _INVISIBLE.search(text):
        return None
    return text if re.match(r"https?://[^\s]+\Z", text) else None
