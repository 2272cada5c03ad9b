"""The most common values of a problem's facets, such as its environments and hosts. Pure functions."""

from dataclasses import dataclass

from checkend.models.counters import OTHER_VALUES

TOP = 5
LABELS = {"environment": "Environment", "revision": "Revision", "host": "Host", "user": "User", "url": "URL"}


@dataclass(frozen=True, slots=True)
class Share:
    """A value, its count, and its percentage of the reports that have any; ``value`` None means all other values."""

    value: str | None
    count: int
    percent: int


@dataclass(frozen=True, slots=True)
class Facet:
    """An attribute of reports, its most common values first, and the number of its distinct values."""

    name: str
    label: str
    shares: list[Share]
    values: int


def facet_shares(counts: dict[str, list[tuple[str, int]]]) -> list[Facet]:
    """Return the `TOP` most common values of each facet, followed by the sum of all others."""
    facets = []
    for name, values in counts.items():
        total = sum(count for _, count in values)
        known = [(value, count) for value, count in values if value != OTHER_VALUES]
        shares = [Share(value, count, _percent(count, total)) for value, count in known[:TOP]]
        if rest := total - sum(share.count for share in shares):
            shares.append(Share(None, rest, _percent(rest, total)))
        facets.append(Facet(name, LABELS[name], shares, len(values)))
    return facets


def _percent(count: int, total: int) -> int:
    """Return a whole percentage, at least 1, and 100 only if ``count`` is the total."""
    return max(1, min(round(100 * count / total), 99 if count < total else 100))
