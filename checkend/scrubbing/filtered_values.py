"""Values of secrets within texts: where they end, whether they are marked already, and what takes their place."""

import re

FILTERED = "[FILTERED]"

# What others put for a secret that they took out.
_MARK = re.compile(
    r"[\[<({]{1,2} ?(?:filtered|redacted|removed|hidden|masked|scrubbed|protected|omitted|secret) ?[\])>}]{1,2}|"
    r"[*•]{3,60}",
    re.IGNORECASE,
)
_MAX_MARK_LENGTH = 100
# What matters for finding the end of an object or a list: strings are skipped whole, whatever brackets are in them.
_NESTING = re.compile(
    r"""([\[{])|([\]}])|"(?:[^"\\]++|\\.)*+"?|'(?:[^'\\]++|\\.)*+'?|(\\{1,3}["'])(?:(?!\3).)*+(?:\3)?""", re.DOTALL
)


def is_filtered(value: str) -> bool:
    """Return whether ``value`` is what somebody put for a secret, with or without quotes, or a part of `FILTERED`."""
    if len(value) > _MAX_MARK_LENGTH:
        return False
    bare = value.strip("\"'\\")
    return not bare or (bare[0] in "[<({*•" and (FILTERED.startswith(bare) or _MARK.fullmatch(bare) is not None))


def filtered_like(value: str, *, quoted: bool = False) -> str:
    """Return `FILTERED` in the quotes that ``value`` has; with ``quoted`` in new ones where it has none."""
    if not value.startswith(("\\", '"', "'")):
        return f'"{FILTERED}"' if quoted else FILTERED
    slashes = value[: len(value) - len(value.lstrip("\\"))]
    mark = value[len(slashes) : len(slashes) + 1]
    if mark in ('"', "'"):
        return f"{slashes}{mark}{FILTERED}{slashes}{mark}"
    return f'"{FILTERED}"' if quoted else FILTERED


def nested_end(text: str, start: int) -> int:
    """Return where the object or list that begins at ``start`` ends: the end of the text when it is not closed.

    Return ``start`` when none begins there.
    """
    if text[start : start + 1] not in ("[", "{"):
        return start
    depth = 0
    for token in _NESTING.finditer(text, start):
        depth += 1 if token[1] else -1 if token[2] else 0
        if depth == 0:
            return token.end()
    return len(text)
