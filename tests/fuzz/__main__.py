"""``python -m tests.fuzz``: run cases until stopped, or as many as asked for; exit 1 when there are findings."""

import argparse
import itertools
import sys
import time

from tests.fuzz.supervisor import BATCH, run
from tests.fuzz.worker import WEIGHTS


def main() -> int:
    """Run what the command line asks for, print findings as they come, and the number of cases at the end."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: the time, so that runs differ")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--cases", type=int, default=0, help="how many; 0: until stopped with Ctrl-C")
    parser.add_argument("--kinds", default=",".join(WEIGHTS), help="which, separated by commas (default: all)")
    parser.add_argument("--plant", action="store_true", help="put back a pattern that froze the server, to be found")
    arguments = parser.parse_args()
    kinds = arguments.kinds.split(",")
    if unknown := set(kinds) - set(WEIGHTS):
        parser.error(f"unknown kinds: {', '.join(sorted(unknown))}; known: {', '.join(WEIGHTS)}")
    last = arguments.first + arguments.cases if arguments.cases else None
    findings, started, first = 0, time.monotonic(), arguments.first
    print(f"seed {arguments.seed}", flush=True)
    try:
        for first in itertools.count(arguments.first, BATCH):
            stop = min(first + BATCH, last) if last is not None else first + BATCH
            if stop <= first:
                break
            for finding in run(arguments.seed, first, stop, kinds, plant=arguments.plant):
                findings += 1
                print(finding, flush=True)
            print(f"{stop} cases, {findings} findings, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        pass
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
