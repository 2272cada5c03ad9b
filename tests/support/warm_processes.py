"""Processes of the ``checkend`` command that start in milliseconds: forked from one that has imported it all.

A test gets a process like any other: a child of the test run, with its own memory, descriptors, environment and
signals, that ends as an interpreter does. It saves the start of the interpreter and the imports, which take most of a
second of CPU time. Tests of the start itself use `subprocess`.
"""

import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "checkend.cli")
PR_SET_CHILD_SUBREAPER = 36


class Checkend(subprocess.Popen[Any]):
    """``Checkend(["serve"])``: the running command ``checkend serve``; the options are those of `subprocess.Popen`."""

    def __init__(self, arguments: list[str], **options: Any) -> None:
        super().__init__([*COMMAND, *arguments], **options)

    if sys.platform == "linux":

        def _execute_child(self, *given: Any) -> None:
            """Fork from `tests.support.zygote` instead of this process. ``given`` is as in `subprocess.Popen`."""
            args, _, _, _, _, cwd, env, _, _, _, *pipes = given[:16]
            stdin, stdout, stderr = (
                inherited if pipe == -1 else pipe for inherited, pipe in enumerate((pipes[0], pipes[3], pipes[5]))
            )
            self.pid = _zygote().fork(args, cwd, env, [stdin, stdout, stderr])
            self._child_created = True
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]  # what `Popen` does itself after a fork


def run(arguments: list[str], *, stdin_text: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, at most a minute, with its output captured as text."""
    source = subprocess.PIPE if stdin_text else subprocess.DEVNULL
    options = {"stdin": source, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    with Checkend(arguments, **options) as process:
        try:
            out, err = process.communicate(stdin_text or None, 60)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


class _Zygote:
    """The process that is forked from. It ends with this one."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.zygote", str(theirs.fileno())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)

    def fork(self, arguments: list[str], cwd: Any, env: Any, files: list[int]) -> int:
        """Fork a child that runs the command with ``files`` as its standard files, and return its process id."""
        variables = dict(os.environ if env is None else env)
        request = json.dumps({"arguments": arguments, "cwd": os.fspath(cwd or os.getcwd()), "env": variables})
        with self._guard:
            _adopt_orphans(True)
            try:
                socket.send_fds(self._control, [request.encode()], files)
                return int(self._control.recv(100))
            finally:
                _adopt_orphans(False)


_one_at_a_time = threading.Lock()


def _zygote() -> _Zygote:
    """Return the process to fork from; threads that need the first one at the same time get the same."""
    with _one_at_a_time:
        return _start_zygote()


@cache
def _start_zygote() -> _Zygote:
    return _Zygote()


def _adopt_orphans(adopt: bool) -> None:
    """Make descendants whose parent ends children of this process: how the zygote hands over its forks."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
