"""The process that `tests.support.warm_processes` forks from: ``python -m tests.support.zygote FD``.

FD is a socket on which requests arrive.
"""

import atexit
import gc
import io
import json
import os
import runpy
import socket
import sys
import threading
import time
from importlib import import_module
from typing import Any

MODULES = (
    "checkend.app checkend.server.waitress_server checkend.testing._runner.runner checkend.testing.server "
    "checkend.cli._support.supervisor "
    "checkend.db.backup checkend.demo sqlalchemy.dialects.sqlite.pysqlite urllib.request http.client"
).split()
REQUEST_BYTES = 1 << 20


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    import_module("checkend.cli")
    for name in MODULES:
        import_module(name)
    gc.freeze()  # a fork that looked for garbage in all of this would copy it
    request = serve_forks(control)
    control.close()
    if request is not None:
        become(request)
        run_command()


def run_command() -> None:
    """Run the command. Where it exits, all is done that an interpreter does then, but for taking its memory apart.

    That would copy every page of it, which takes longer than most commands.
    """
    try:
        runpy.run_module("checkend.cli", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            threading._shutdown()  # type: ignore[attr-defined]  # waits for threads that are no daemons
            atexit._run_exitfuncs()
            sys.stdout.flush()
            os._exit((end.code or 0) & 255)
        raise


def serve_forks(control: socket.socket) -> Any:
    """Fork for every request. Return None when there will be no more; in a fork, return what it is to run."""
    while True:
        try:
            data, files, _, _ = socket.recv_fds(control, REQUEST_BYTES, 3)
        except KeyboardInterrupt:  # from a terminal, where it goes to the test run too
            return None
        if not data:
            return None
        read_end, write_end = os.pipe()
        between = os.fork()
        if between == 0:
            parent = os.getpid()
            if os.fork() != 0:
                os._exit(0)  # the new process is an orphan, which the test run adopts
            os.close(read_end)
            os.write(write_end, str(os.getpid()).encode())
            os.close(write_end)
            while os.getppid() == parent:  # the command may watch its parent: it must have its real one
                time.sleep(0.001)
            return json.loads(data) | {"files": files}
        os.close(write_end)
        os.waitpid(between, 0)
        pid = os.read(read_end, 100)
        for file in (read_end, *files):
            os.close(file)
        control.send(pid)


def become(request: Any) -> None:
    """Take the standard files, folder, environment and arguments of the new process."""
    for number, file in enumerate(request["files"]):
        os.dup2(file, number)
    for file in request["files"]:
        os.close(file)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  # stays open
    sys.stdout = output(1, unbuffered)
    sys.stderr = output(2, True)
    sys.argv[1:] = request["arguments"][3:]


def output(number: int, unbuffered: bool) -> io.TextIOWrapper:
    """Open standard output or error as an interpreter does."""
    raw = open(number, "wb", buffering=0 if unbuffered else -1, closefd=False)  # noqa: SIM115  # stays open
    return io.TextIOWrapper(raw, write_through=unbuffered, line_buffering=number == 2)


if __name__ == "__main__":
    main()
