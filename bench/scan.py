"""How long `safe-agent scan` takes, cold and warm, beside `git grep` and `detect-secrets scan` over the same files.

    python bench/scan.py [--files 15000] [--rounds 5] [--beside 500] [--json]

The generated git repository of `bench/inventory.py`, below /var/tmp. Each row is a whole process, as typed, in a HOME
of its own: `cold` has no scan cache, `warm` has one (the compiled rules are there in both, the page cache too). `git
grep` reads the same bytes for one word. detect-secrets would take minutes for all of them: it gets a repository of
`--beside` files, and so does a cold scan beside it; what is compared is the time per file. `--history` and `--staged`
read blobs instead. Times are medians; `cpu` is user and system time of the process and its children.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.inventory import Place

_COMMANDS = Path(sys.executable).parent


class Spent:
    """Milliseconds of wall clock and of processor time, one of each per round."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def run(self, command: Sequence[str], place: Place) -> None:
        """Run a command in the repository and take its times; 0 and 1 are good ends: nothing or something found."""
        environment = {"HOME": str(place.home), "PATH": f"{_COMMANDS}:{os.defpath}", "LANG": "C.UTF-8"}
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            command, cwd=place.workspace, env=environment, capture_output=True, stdin=subprocess.DEVNULL, check=False
        )
        self.wall.append((time.perf_counter() - start) * 1000)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000)
        assert done.returncode in {0, 1}, done.stderr.decode()

    def medians(self) -> Mapping[str, float]:
        """Give both medians."""
        return {"wall": round(statistics.median(self.wall), 1), "cpu": round(statistics.median(self.cpu), 1)}


def _forget(place: Place) -> None:
    for file in (place.home / ".cache/safe-agent/scans").glob("*"):
        file.unlink()


def _measure(place: Place, rounds: int, rows: Mapping[str, Callable[[], Sequence[str]]]) -> dict[str, Spent]:
    spent = {name: Spent() for name in rows}
    Spent().run(["safe-agent", "keys", "make"], place)
    Spent().run(["safe-agent", "scan"], place)  # compiles the rules
    for _ in range(rounds):
        for name, command in rows.items():
            spent[name].run(command(), place)
    return spent


def _cold(place: Place) -> list[str]:
    _forget(place)
    return ["safe-agent", "scan"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=15_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beside", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, tempfile.TemporaryDirectory(dir="/var/tmp") as other:
        place, small = Place(Path(folder).resolve(), wanted.files), Place(Path(other).resolve(), wanted.beside)
        spent = _measure(
            place,
            wanted.rounds,
            {
                "git grep": lambda: ["git", "grep", "-c", "qwertz"],
                "scan, cold": lambda: _cold(place),
                "scan, warm": lambda: ["safe-agent", "scan"],
                "scan --history": lambda: ["safe-agent", "scan", "--history"],
                "scan --staged": lambda: ["safe-agent", "scan", "--staged"],
            },
        )
        beside = _measure(
            small,
            min(wanted.rounds, 3),
            {
                "scan, cold": lambda: _cold(small),
                "detect-secrets": lambda: [sys.executable, "-m", "detect_secrets", "scan"],
            },
        )
    rows = {name: one.medians() for name, one in spent.items()}
    others = {name: one.medians() for name, one in beside.items()}
    if wanted.json:
        print(json.dumps({"files": wanted.files, "rows": rows, "beside": wanted.beside, "rows_beside": others}))
        return
    for count, table in ((wanted.files, rows), (wanted.beside, others)):
        print(f"{count:,} files")
        first = next(iter(table.values()))["wall"]
        for name, row in table.items():
            print(f"  {name:16} {row['wall']:9.1f} ms  {row['cpu']:9.1f} ms cpu   {row['wall'] / first:6.1f} x")


if __name__ == "__main__":
    main()
