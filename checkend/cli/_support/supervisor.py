"""When a command that serves somebody must end: what signals, its standard input and its parent tell it."""

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
    """Notes, from when it is made, why to end; nothing is interrupted, `wait` tells. For the main thread.

    ``signal`` is the last signal that came, 0 for none.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._reasons: SimpleQueue[Reason] = SimpleQueue()
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and background jobs of shells have it
                signal.signal(number, self._signalled)
        _in_thread(self._watch_parent, os.getppid())

    def wait(self) -> Reason:
        """Why to end, as soon as there is a reason; each is given once, and every signal."""
        return self._reasons.get()

    def watch_input(self) -> None:
        """End when standard input closes. Only what somebody holds open can close: a pipe or a socket."""
        if sys.stdin is None or sys.stdin.closed:
            return
        file = sys.stdin.fileno()
        mode = os.fstat(file).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            _in_thread(self._watch_input, file)

    def watch_child(self, child: "subprocess.Popen[bytes]") -> None:
        """End when ``child`` does."""
        _in_thread(self._watch_child, child)

    def _signalled(self, number: int, frame: object) -> None:
        self.signal = number
        self._reasons.put("signal")

    def _watch_input(self, file: int) -> None:
        while os.read(file, 4096):
            pass
        self._reasons.put("input")

    def _watch_child(self, child: "subprocess.Popen[bytes]") -> None:
        child.wait()
        self._reasons.put("child")

    def _watch_parent(self, parent: int) -> None:
        _sleep_until_ended(parent)
        while os.getppid() == parent:  # where the system cannot wake us, or ended is not yet gone
            time.sleep(POLL_SECONDS)
        self._reasons.put("parent")


def _sleep_until_ended(process: int) -> None:
    """Where the system offers it (Linux), until the process ends; else not at all."""
    if not hasattr(os, "pidfd_open"):
        return
    try:
        file = os.pidfd_open(process)
    except OSError:  # it has ended already, or belongs to another namespace
        return
    select.select([file], [], [])
    os.close(file)


def _in_thread(watch: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=watch, args=arguments, daemon=True).start()
