"""Signals as a terminal has them, whatever the test run was started by."""

import signal
from typing import Any

AS_USUAL: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}


def stop_ignoring() -> None:
    """Undo what nohup and background jobs of shells do to a test run: its processes would ignore Ctrl-C, too.

    An ignored signal stays ignored in every process that is started, and Python then installs no handler of its own.
    """
    for number, usual in AS_USUAL.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
