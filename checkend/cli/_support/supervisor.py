"""Watches for the reasons to end a command that runs a server or another command."""

import os
import select
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Literal

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
POLL_SECONDS = 0.5

Reason = Literal["signal", "input", "parent", "child"]


class Supervisor:
    """Records, from its creation on, the reasons to end the command; nothing is interrupted, `wait` returns them.

    Must be created in the main thread. ``signal`` is the last signal that was received, 0 if there was none.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._reasons: SimpleQueue[Reason] = SimpleQueue()
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup and shells ignore signals on purpose
                signal.signal(number, self._handle_signal)
        _start_thread(self._watch_parent, os.getppid())

    def wait(self) -> Reason:
        """Wait for a reason to end, and return it. Each is returned once, but every signal is."""
        return self._reasons.get()

    def watch_input(self) -> None:
        """Treat the end of standard input as a reason, if it is a pipe or socket: only those end with their writer."""
        if sys.stdin is None or sys.stdin.closed:
            return
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            _start_thread(self._watch_input, descriptor)

    def watch_child(self, child: "subprocess.Popen[bytes]") -> None:
        """Treat the end of ``child`` as a reason."""
        _start_thread(self._watch_child, child)

    def _handle_signal(self, number: int, frame: object) -> None:
        self.signal = number
        self._reasons.put("signal")

    def _watch_input(self, descriptor: int) -> None:
        while os.read(descriptor, 4096):
            pass
        self._reasons.put("input")

    def _watch_child(self, child: "subprocess.Popen[bytes]") -> None:
        child.wait()
        self._reasons.put("child")

    def _watch_parent(self, parent: int) -> None:
        _sleep_until_ended(parent)
        while os.getppid() == parent:  # no pidfd, or the parent is a zombie for now
            time.sleep(POLL_SECONDS)
        self._reasons.put("parent")


def _sleep_until_ended(process: int) -> None:
    """Wait until the process ends if the system supports it (Linux); otherwise return immediately."""
    if not hasattr(os, "pidfd_open"):
        return
    try:
        descriptor = os.pidfd_open(process)
    except OSError:  # it has ended already, or belongs to another namespace
        return
    select.select([descriptor], [], [])
    os.close(descriptor)


def _start_thread(watch: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=watch, args=arguments, daemon=True).start()
