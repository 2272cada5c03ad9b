"""Query parameters that a route does not recognize, and the known ones that were probably meant."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches

MAX_NAMED = 10  # comparing names is slow, and a URL holds thousands
MAX_NAME = 100


def unknown_parameters(given: Iterable[str], known: Collection[str]) -> list[str]:
    """Return a sentence for each name in ``given`` that is not in ``known``, suggesting the closest known name.

    After `MAX_NAMED` sentences, one more says how many other unknown parameters there are.
    """
    unknown = [name for name in dict.fromkeys(given) if name not in known]
    sentences = [_sentence(name, known) for name in unknown[:MAX_NAMED]]
    if len(unknown) > MAX_NAMED:
        sentences.append(f"{len(unknown) - MAX_NAMED} more parameters are unknown.")
    return sentences


def _sentence(name: str, known: Collection[str]) -> str:
    short = name[:MAX_NAME]
    shown = f"'{short}'" if short.isprintable() else ascii(short)
    closest = get_close_matches(short, known, n=1, cutoff=0.0)
    if not closest:
        return f"Unknown parameter {shown}; none is accepted here."
    return f"Unknown parameter {shown}; did you mean '{closest[0]}'?"
