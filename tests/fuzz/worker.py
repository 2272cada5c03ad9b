"""Run fuzz cases in this process, which the kernel ends when a single case takes more than a second of CPU.

A pattern that backtracks without end holds the interpreter's lock: no Python code could stop it any more.
"""

import json
import mmap
import signal
import struct
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.requests import KINDS
from tests.fuzz.world import FuzzWorld

CPU_SECONDS = 1.0
PROGRESS_BYTES = 2048
RESTORE_EVERY = 50
WEIGHTS = {"reports": 5, "api": 3, "pages": 1, "http": 1}


def main(options: dict[str, Any]) -> None:
    """Run the cases from ``first`` up to ``stop``, and print a JSON line for each finding."""
    if options["plant"]:
        _plant()
    with Path(options["progress"]).open("r+b") as file, tempfile.TemporaryDirectory() as folder:
        progress = mmap.mmap(file.fileno(), PROGRESS_BYTES)
        world = FuzzWorld(Path(folder))
        for number in range(options["first"], options["stop"]):
            if number % RESTORE_EVERY == 0:
                signal.setitimer(signal.ITIMER_PROF, 0)
                world.restore()
            kind, request = make(options["seed"], number, options["kinds"], world)
            progress[:] = _note(number, f"{kind}: {request}")
            signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # SIGPROF, unhandled, ends the process
            for wrong in world.perform(request):
                print(json.dumps({"case": number, "wrong": wrong, "request": f"{kind}: {request}"}), flush=True)
        signal.setitimer(signal.ITIMER_PROF, 0)
        world.close()


def _note(number: int, request: str) -> bytes:
    """Return what the supervisor needs to know should this case end the process."""
    text = request.encode("utf-8", "backslashreplace")[: PROGRESS_BYTES - 8]
    return struct.pack("<q", number) + text.ljust(PROGRESS_BYTES - 8, b"\0")


def make(seed: int, number: int, kinds: list[str], world: FuzzWorld) -> tuple[str, Any]:
    """Return the kind and the request of a case."""
    choose = Random(f"{seed}:{number}")
    (kind,) = choose.choices(kinds, [WEIGHTS[kind] for kind in kinds])
    return kind, KINDS[kind](choose, world)


def _plant() -> None:
    """Put back a pattern that once froze the server, to see whether the fuzzer finds it."""
    import re
    from dataclasses import replace

    from checkend.grouping import languages

    pattern = re.compile(r"(?:/<|<|/\w*<)+\Z")
    fast = next(language for language in languages.LANGUAGES if language.name == "javascript")
    slow = replace(fast, clean_name=lambda name, minified: fast.clean_name(pattern.sub("", name), minified))
    for table in (languages._BY_ALIAS, languages._BY_EXTENSION):
        table.update({key: slow for key, language in table.items() if language is fast})


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
