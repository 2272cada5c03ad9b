"""What a check found, and running checks so that none of them can delay or stop the others."""

import queue
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Thread
from typing import Literal

State = Literal["ok", "warning", "error"]
TIMEOUT_SECONDS = 30.0
MAX_PARALLEL = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check: ``fact`` is what was found, ``advice`` what to do about it ("" if all is well)."""

    check: str
    state: State
    fact: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A check that is not done yet. ``run`` may raise any exception, and may take any time."""

    name: str
    run: Callable[[], Finding]


def run_checks(checks: Sequence[Check], *, parallel: int = 1, seconds: float = TIMEOUT_SECONDS) -> Iterator[Finding]:
    """Yield the finding of each check, in their order, with up to ``parallel`` checks at a time.

    A check that fails, or does not end within ``seconds``, is an error.
    """
    for start in range(0, len(checks), parallel):
        started = [(check, _start(check)) for check in checks[start : start + parallel]]
        for check, outcome in started:
            try:
                yield outcome.get(timeout=seconds)
            except queue.Empty:
                fact = f"The check did not end within {seconds:g} seconds."
                yield Finding(check.name, "error", fact, "Find out what it waits for: a disk, a resolver or a network.")


def _start(check: Check) -> queue.SimpleQueue[Finding]:
    outcome = queue.SimpleQueue[Finding]()

    def work() -> None:
        try:
            outcome.put(check.run())
        except Exception as error:
            fact = f"The check failed: {str(error) or type(error).__name__}"
            outcome.put(Finding(check.name, "error", fact, "Correct the cause, then run the command again."))

    # A daemon, so that a check that hangs does not keep the command from ending.
    Thread(target=work, name=f"checkend-check-{check.name}", daemon=True).start()
    return outcome
