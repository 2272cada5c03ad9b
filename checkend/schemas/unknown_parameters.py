"""Error messages for query parameters that a route does not accept, with suggestions."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches

MAX_MESSAGES = 10  # finding the closest name is slow, and a URL can contain thousands
MAX_NAME_LENGTH = 100


def unknown_parameters(names: Iterable[str], known: Collection[str]) -> list[str]:
    """Return a message for each of ``names`` that is not in ``known``, suggesting the closest known name.

    After `MAX_MESSAGES` messages, another one states the number of the other unknown parameters.
    """
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    messages = [_message(name, known) for name in unknown[:MAX_MESSAGES]]
    if len(unknown) > MAX_MESSAGES:
        messages.append(f"{len(unknown) - MAX_MESSAGES} more parameters are unknown.")
    return messages


def _message(name: str, known: Collection[str]) -> str:
    short = name[:MAX_NAME_LENGTH]
    shown = f"'{short}'" if short.isprintable() else ascii(short)
    closest = get_close_matches(short, known, n=1, cutoff=0.0)
    if not closest:
        return f"Unknown parameter {shown}; none is accepted here."
    return f"Unknown parameter {shown}; did you mean '{closest[0]}'?"
