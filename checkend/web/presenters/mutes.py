"""Mutes in words."""

from datetime import UTC

from checkend.models import Problem


def describe_mute(problem: Problem) -> str:
    """Return when the mute of a problem ends, such as "Muted until 3 Dec 2026, 14:00 UTC"."""
    terms = []
    if problem.muted_until is not None:
        terms.append(f"until {problem.muted_until.astimezone(UTC).strftime('%-d %b %Y, %H:%M')} UTC")
    if problem.mute_total is not None:
        more = max(problem.mute_total - problem.occurrences, 1)
        terms.append(f"for {more:,} more {'occurrence' if more == 1 else 'occurrences'}")
    if problem.mute_rate is not None and problem.mute_rate_minutes is not None:
        minutes = "a minute" if problem.mute_rate_minutes == 1 else f"{problem.mute_rate_minutes:,} minutes"
        times = "once" if problem.mute_rate == 1 else f"{problem.mute_rate:,} times"
        terms.append(f"until it occurs {times} within {minutes}")
    if problem.mute_until_release:
        terms.append("until the next release")
    return f"Muted {' or '.join(terms)}" if terms else "Muted"
