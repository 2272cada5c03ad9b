"""The most common passwords, which attackers try first."""

from functools import cache


def is_common(password: str) -> bool:
    """Return whether ``password`` is one of the 30,000 most common ones, in any case."""
    return password.lower() in _common_passwords()


@cache
def _common_passwords() -> frozenset[str]:
    # Loaded when a password is first set, since it takes about 40 ms and 15 MB.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])
