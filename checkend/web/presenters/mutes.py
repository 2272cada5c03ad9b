"""Mutes in words."""

import re
from datetime import UTC

from checkend.models import Problem


def muted_by(problem: Problem) -> str:
    """Return who muted the problem: the email address of a user, the name of an API key, or the command line."""
    user = re.fullmatch(r"user \d+ \((.+)\)", problem.muted_by or "")
    return user[1] if user else f"the {problem.muted_by}"


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
