"""``python -m tests.conformance``: types for TypeScript compile, and a long run of Schemathesis with two API keys.

Exits with 1 if a check fails, and with an exception if the types cannot be made; without Node, they are left out.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.conformance.run import ALL_PHASES, run_schemathesis, sample_server
from tests.conformance.typescript import compile_types


def main() -> int:
    """Run what the command line asks for, and print Schemathesis' own report for each key."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: the time, so that runs differ")
    parser.add_argument("--max-examples", type=int, default=200, help="per operation and phase (default: 200)")
    arguments = parser.parse_args()
    npm, npx = shutil.which("npm"), shutil.which("npx")
    if npm and npx:
        with tempfile.TemporaryDirectory() as folder:
            compile_types(Path(folder), npm, npx)
        print("The types for TypeScript compile.", flush=True)
    failed = False
    with tempfile.TemporaryDirectory() as folder, sample_server(Path(folder) / "instance") as (url, *keys):
        for name, key in zip(("all permissions", "hardly any permission"), keys, strict=True):
            print(f"API key with {name}, seed {arguments.seed}", flush=True)
            status, _ = run_schemathesis(
                url,
                key,
                phases=ALL_PHASES,
                max_examples=arguments.max_examples,
                seed=arguments.seed,
                output=sys.stdout.fileno(),
            )
            failed |= status != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
