"""Values of secrets within texts: find their end, detect marks of other tools, and replace them."""

import re

FILTERED = "[FILTERED]"

# Marks that SDKs and other tools put in place of secrets.
_MARK = re.compile(
    r"[\[<({]{1,2} ?(?:filtered|redacted|removed|hidden|masked|scrubbed|protected|omitted|secret) ?[\])>}]{1,2}|"
    r"[*•]{3,60}",
    re.IGNORECASE,
)
_MAX_MARK_LENGTH = 100
# Tokens for finding the end of an object or list. Strings are one token, so brackets within them do not count.
_NESTING = re.compile(
    r"""([\[{])|([\]}])|"(?:[^"\\]++|\\.)*+"?|'(?:[^'\\]++|\\.)*+'?|(\\{1,3}["'])(?:(?!\3).)*+(?:\3)?""", re.DOTALL
)


def is_filtered(value: str) -> bool:
    """Return whether ``value`` is a mark in place of a secret, with or without quotes, or the start of `FILTERED`."""
    if len(value) > _MAX_MARK_LENGTH:
        return False
    bare = value.strip("\"'\\")
    return not bare or (bare[0] in "[<({*•" and (FILTERED.startswith(bare) or _MARK.fullmatch(bare) is not None))


def filtered_like(value: str, *, quoted: bool = False) -> str:
    """Return `FILTERED` in the quotes of ``value``; if it has none and ``quoted``, in double quotes."""
    if not value.startswith(("\\", '"', "'")):
        return f'"{FILTERED}"' if quoted else FILTERED
    slashes = value[: len(value) - len(value.lstrip("\\"))]
    mark = value[len(slashes) : len(slashes) + 1]
    if mark in ('"', "'"):
        return f"{slashes}{mark}{FILTERED}{slashes}{mark}"
    return f'"{FILTERED}"' if quoted else FILTERED


def nested_end(text: str, start: int) -> int:
    """Return the end of the object or list at ``start``, or the end of the text if it is not closed.

    Return ``start`` if there is no object or list.
    """
    if text[start : start + 1] not in ("[", "{"):
        return start
    depth = 0
    for token in _NESTING.finditer(text, start):
        depth += 1 if token[1] else -1 if token[2] else 0
        if depth == 0:
            return token.end()
    return len(text)
