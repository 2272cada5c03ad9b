"""Run the benchmarks, print the results and write them to benchmarks/results/."""

import argparse
import json
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import load, notifications, pages, seed, servers, soak
from checkend import clock
from checkend.db.connection import DATABASE_FILE_NAME
from tests.support import timings

PORT, FLOOR_PORT = 8971, 8972
PACKAGES = ("flask", "werkzeug", "waitress", "sqlalchemy", "orjson")
# Minimum ratio to the floor.
TARGETS = {"distinct": 0.5, "repeating": 0.6, "storm": 0.75}
RESULTS = Path(__file__).with_name("results")


def main() -> None:
    """Run the benchmarks that the arguments select."""
    arguments = _arguments()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: install Debian's package wrk (apt-get install wrk).")
    results: dict[str, Any] = {"machine": _machine(), "arguments": vars(arguments)}
    with tempfile.TemporaryDirectory() as folder:
        if arguments.soak:
            results["soak"] = soak.run(Path(folder), arguments.soak, PORT)
        elif arguments.notifications:
            rounds, seconds = arguments.rounds, arguments.seconds
            results["notifications"] = notifications.run(Path(folder), rounds, seconds, PORT)
        else:
            results |= _measure(Path(folder), arguments)
    RESULTS.mkdir(exist_ok=True)
    name = f"{clock.now():%Y%m%dT%H%M%SZ}{'-soak' if arguments.soak else ''}"
    (RESULTS / f"{name}.json").write_text(json.dumps(results, indent=2) + "\n")
    table = _table(results)
    (RESULTS / f"{name}.md").write_text(table)
    print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each measurement, alternating with the floor")
    parser.add_argument("--seconds", type=int, default=4, help="duration of each round")
    parser.add_argument("--problems", type=int, default=10_000, help="problems in the large database")
    parser.add_argument("--notices", type=int, default=1_000_000, help="notices in the large database")
    parser.add_argument("--soak", type=int, metavar="MINUTES", help="run a mixed load for this many minutes instead")
    parser.add_argument("--notifications", action="store_true", help="measure ingestion with channels instead")
    return parser.parse_args()


def _machine() -> dict[str, Any]:
    return {
        "date": clock.iso(clock.now()),
        "system": f"{platform.system()} {platform.release()}",
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "packages": {name: version(name) for name in PACKAGES},
    }


def _measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    results: dict[str, Any] = {"start": _starts(folder / "start", arguments.rounds), "loads": {}}
    results["fixture"] = _fixture(arguments.rounds)
    with servers.floor(FLOOR_PORT) as floor:
        for mode in TARGETS:
            print(f"… {mode}", file=sys.stderr)
            results["loads"][mode] = _load(folder / mode, floor, mode, arguments)
        print("… filling the large database", file=sys.stderr)
        names = seed.create_database(folder / "large")
        seed.fill(folder / "large", arguments.problems, arguments.notices)
        for mode in TARGETS:
            print(f"… {mode}, large database", file=sys.stderr)
            found = _load(folder / "large", floor, mode, arguments, names)
            found["of_empty"] = found["ratio"] / results["loads"][mode]["ratio"]
            results["loads"][f"{mode}, large database"] = found
    print("… lists and pages", file=sys.stderr)
    results["routes"] = {"large": _routes(folder / "large", names)}
    names = seed.create_database(folder / "small")
    seed.fill(folder / "small", 3, 30)
    results["routes"]["small"] = _routes(folder / "small", names)
    return results


def _starts(instance: Path, rounds: int) -> dict[str, float]:
    """Return the seconds from the start of the process to its first response, for the first start and later ones."""
    later = []
    with servers.checkend(instance, PORT) as server:
        first = server.start_seconds
    for _ in range(rounds):
        with servers.checkend(instance, PORT) as server:
            later.append(server.start_seconds)
    return {"first": first, "again": median(later)}


def _fixture(rounds: int) -> dict[str, float]:
    """Measure the test fixture: seconds to start in a new and in a running interpreter, and ms per test."""
    timings.warm_start()
    return {
        "cold_s": median(timings.cold_start() for _ in range(rounds)),
        "warm_s": median(timings.warm_start() for _ in range(rounds)),
        "per_test_ms": median(timings.per_test()) * 1000,
    }


def _load(
    instance: Path,
    floor: servers.Process,
    mode: str,
    arguments: argparse.Namespace,
    names: dict[str, str] | None = None,
) -> dict[str, float]:
    names = names or seed.create_database(instance)
    before = _size(instance)
    with servers.checkend(instance, PORT) as server:
        found = load.interleaved(server, floor, names["ingestion_key"], mode, arguments.rounds, arguments.seconds)
        found["memory_mb"] = server.memory
    stored = _size(instance)["notices"] - before["notices"]
    if stored:
        found["bytes_per_notice"] = (_size(instance)["bytes"] - before["bytes"]) / stored
    found["stored"] = stored
    return found


def _size(instance: Path) -> dict[str, float]:
    with closing(sqlite3.connect(instance / DATABASE_FILE_NAME)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (notices,) = connection.execute("SELECT count(*) FROM notices").fetchone()
        (pages_used,) = connection.execute("PRAGMA page_count").fetchone()
        (page,) = connection.execute("PRAGMA page_size").fetchone()
    return {"notices": notices, "bytes": pages_used * page}


def _routes(instance: Path, names: dict[str, str]) -> dict[str, dict[str, float]]:
    with closing(sqlite3.connect(instance / DATABASE_FILE_NAME)) as connection:
        problem, notice = connection.execute("SELECT problem_id, max(id) FROM notices WHERE problem_id = 2").fetchone()
    names = names | {"problem": str(problem), "notice": str(notice)}
    with servers.checkend(instance, PORT) as server:
        return {
            "api": pages.api(server.url, names["api_key"], names, 15),
            "dashboard": pages.dashboard(server.url, names, 15),
        }


def _table(results: dict[str, Any]) -> str:
    machine = results["machine"]
    lines = [
        f"Measured {machine['date']} on {machine['processors']} processors, {machine['system']}, Python "
        f"{machine['python']}, SQLite {machine['sqlite']}; "
        + ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
        + ".",
        "",
    ]
    if "soak" in results:
        return "\n".join(lines + soak.table(results["soak"])) + "\n"
    if "notifications" in results:
        return "\n".join(lines + notifications.table(results["notifications"])) + "\n"
    lines += [
        "| reports | ratio to floor | (min-max) | target | reports/s | floor/s | p50 ms | p99 ms | p99/p50 "
        "| CPU µs | floor CPU µs | memory MB | bytes/notice | errors |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in results["loads"].items():
        target = f"{row['of_empty']:.2f} of the empty database's, ≥ 0.9" if "of_empty" in row else f"≥ {TARGETS[name]}"
        disk = f"{row['bytes_per_notice']:.0f}" if "bytes_per_notice" in row and "storm" not in name else "-"
        lines.append(
            f"| {name} | **{row['ratio']:.2f}** | {row['ratio_min']:.2f}-{row['ratio_max']:.2f} "
            f"| {target} | {row['rate']:.0f} | {row['floor']:.0f} | {row['p50']:.1f} | {row['p99']:.1f} "
            f"| {row['p99'] / row['p50']:.1f} | {row['cpu']:.0f} | {row['cpu_floor']:.0f} | {row['memory_mb']:.0f} "
            f"| {disk} | {row['errors']} |"
        )
    start, fixture = results["start"], results["fixture"]
    lines += [
        "",
        f"Start to first response: {start['first']:.2f} s the first time, {start['again']:.2f} s later (≤ 1.5).",
        f"Test fixture: {fixture['cold_s']:.2f} s in a new interpreter (≤ 0.6), {fixture['warm_s']:.2f} s in a running "
        f"one (≤ 0.3), {fixture['per_test_ms']:.1f} ms per test (≤ 5).",
        "",
    ]
    for kind in ("api", "dashboard"):
        lines += [f"| {kind} | small database, ms | large database, ms |", "|---|---|---|"]
        small, large = results["routes"]["small"][kind], results["routes"]["large"][kind]
        lines += [f"| `{path}` | {small[path]:.1f} | {large[path]:.1f} |" for path in small]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
