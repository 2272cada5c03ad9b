"""Deleting within a request: step by step, and for so long only that nobody waits at a closed door."""

import time

from checkend.extensions import db
from checkend.models.bulk import Choice, delete_in_steps

DELETING_FOR = 20.0  # seconds


def delete_for_a_while(choice: Choice) -> tuple[int, int]:
    """Delete the chosen problems, each step committed, for `DELETING_FOR` at most: how many went, how many are left."""
    started, deleted = time.monotonic(), 0
    for count in delete_in_steps(choice):
        db.session.commit()
        deleted += count
        if time.monotonic() - started > DELETING_FOR:
            break
    return deleted, choice.count()
