"""What the ledger costs: an append, against a line of JSON with fsync, and proving a year of it.

    python bench/ledger.py [ENTRIES [FOLDER]]      # default 100,000 and a temporary folder; the disk matters

An append is one entry with its signed checkpoint and the renewed state (three fdatasync); the plain line is written and
synced (one). Times are of the processor, medians, but where it says otherwise.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from wrapper.audit import entries, ledger

_YEAR = 100_000
_MEASURED = 1_000


def _beat(number: int) -> entries.Beat:
    return entries.Beat(1_700_000_000.0 + number, "20260101-120000-abcdef", 1, number, "ab" * 32)


def _each(work: Callable[[int], object], count: int) -> tuple[float, float]:
    """Return the medians of one piece of work, in milliseconds: of the processor and of the clock."""
    own, wall = [], []
    for number in range(count):
        begun, at = time.process_time(), time.perf_counter()
        work(number)
        own.append(time.process_time() - begun)
        wall.append(time.perf_counter() - at)
    return statistics.median(own) * 1e3, statistics.median(wall) * 1e3


def _plain(path: Path) -> Callable[[int], None]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def append(number: int) -> None:
        beat = _beat(number)
        os.write(descriptor, json.dumps({"at": beat.at, "session": beat.session, "root": beat.root}).encode() + b"\n")
        os.fsync(descriptor)

    return append


def _run(folder: Path, count: int) -> None:
    made = ledger.Ledger(folder / "ledger")
    own, wall = _each(lambda number: made.append(_beat(number)), _MEASURED)
    line, line_wall = _each(_plain(folder / "plain"), _MEASURED)
    print(f"append: {own:.2f} ms of the processor, {wall:.2f} ms in all")
    print(f"a line of JSON with fsync: {line:.3f} ms of the processor, {line_wall:.2f} ms in all", end="")
    print(f"   {wall / line_wall:.1f} times")
    for number in range(_MEASURED, count):
        made.append(_beat(number))
    late, _ = _each(lambda number: made.append(_beat(number)), _MEASURED)
    print(f"append behind {count:,} others: {late:.2f} ms of the processor")
    begun = time.perf_counter()
    view = ledger.read(folder / "ledger")
    taken = time.perf_counter() - begun
    size = sum(path.stat().st_size for path in (folder / "ledger").glob("*.alog"))
    print(f"proving {len(view.entries):,} entries ({size / 1e6:.0f} MB): {taken:.1f} s on {os.cpu_count()} processors")


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else _YEAR
    if len(sys.argv) > 2:
        _run(Path(sys.argv[2]), number)
    else:
        with tempfile.TemporaryDirectory() as made_here:
            _run(Path(made_here), number)
