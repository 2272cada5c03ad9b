"""What a problem's reports have most in common: counted values become shares. Pure functions."""

from dataclasses import dataclass

from checkend.models.counters import OTHER_VALUES

TOP = 5
LABELS = {"environment": "Environment", "revision": "Revision", "host": "Host", "user": "User", "url": "URL"}


@dataclass(frozen=True, slots=True)
class Share:
    """A value and how often it came; ``percent`` of the reports that name any. ``value`` None: the other values."""

    value: str | None
    count: int
    percent: int


@dataclass(frozen=True, slots=True)
class Facet:
    """One thing that reports may have in common, its commonest values first."""

    name: str
    label: str
    shares: list[Share]
    values: int


def facet_shares(counted: dict[str, list[tuple[str, int]]]) -> list[Facet]:
    """For each facet its `TOP` commonest values, and the others as one."""
    return [_facet(name, values) for name, values in counted.items()]


def _facet(name: str, values: list[tuple[str, int]]) -> Facet:
    total = sum(count for _, count in values)
    named = [(value, count) for value, count in values if value != OTHER_VALUES]
    shares = [Share(value, count, _percent(count, total)) for value, count in named[:TOP]]
    rest = total - sum(share.count for share in shares)
    if rest:
        shares.append(Share(None, rest, _percent(rest, total)))
    return Facet(name, LABELS[name], shares, len(values))


def _percent(count: int, total: int) -> int:
    """Whole percents; never 0 for what is there, nor 100 for what is not all."""
    return max(1, min(round(100 * count / total), 99 if count < total else 100))
