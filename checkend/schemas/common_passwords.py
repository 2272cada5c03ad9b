"""The passwords that most people choose, which are the first that anyone tries."""

from functools import cache


def is_common(password: str) -> bool:
    """Whether ``password`` is among the 30,000 most common ones, in any case."""
    return password.lower() in _common_passwords()


@cache
def _common_passwords() -> frozenset[str]:
    # Loaded with the first password that is set: it takes about 40 ms and 15 MB.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])
