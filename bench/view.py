"""What the FUSE view costs: work in a served repository over the same work in the real one, by turns in one run.

    python bench/view.py [--files 15000] [--rounds 7] [--only NAME …] [--place FOLDER] [--json]

A generated git repository below FOLDER (default /var/tmp), 50 of its files masked. It is served as a session does
it: by the mounter and the daemon with the real policy, scan and log, git's objects natively on top. A process inside
and one in a copy of the repository that nobody serves, both running from the start, take turns, each the first in every
other. The figure is the median of the ratios of their wall-clock times, each over two turns that follow one another:
who comes second finds what the first has left in the disk's caches. `--files 200000` shows that large trees work. ext4
passes by inode numbers that were freed in the last minutes, so that creating is slow bare too after the first round:
`--place /dev/shm` tells what the view itself adds.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bench.viewing.served import Served
from bench.viewing.work import MASKED, WORK, Repository, Work
from bench.viewing.workers import Worker

_EDITS = 200
_STARTS = 9
_FIRSTS = 5


@dataclass(frozen=True)
class Scene:
    """What is measured on; `serve` gives a new view of it."""

    repository: Repository
    outside: Worker
    serve: Callable[[], Iterator[Served]]


# Measuring


@dataclass(frozen=True)
class Row:
    """A figure beside its target; `bare` where the same was done without the view; `unit` is "x", "ms" or "MB"."""

    name: str
    figure: float
    unit: str
    most: float
    bare: float | None = None
    viewed: float | None = None
    failed: str = ""


def by_turns(work: Work, outside: tuple[Worker, Path], inside: tuple[Worker, Path], rounds: int) -> Row:
    """Give the median of the ratios; a first round, which warms up, does not count."""
    bare: list[float] = []
    viewed: list[float] = []
    try:
        for turn in range(rounds + 1):
            pairs = [(*outside, bare), (*inside, viewed)]
            for worker, root, times in pairs[:: 1 if turn % 2 else -1]:
                for name in work.leaves:
                    (root / "scratch" / name).unlink(missing_ok=True)
                    time.sleep(0.1)  # the daemon hears of it
                times.append(worker.time(work))
    except AssertionError as error:
        return Row(work.name, 0, "x", work.most, failed=str(error))
    ratios = [sum(one) / sum(other) for one, other in zip(pairwise(viewed[1:]), pairwise(bare[1:]), strict=True)]
    middle = statistics.median
    return Row(work.name, middle(ratios), "x", work.most, middle(bare[1:]) * 1000, middle(viewed[1:]) * 1000)


def firsts(scene: Scene, *, is_warm: bool) -> Row:
    """Give the ratio of the first git status in a new view."""
    status, times, bare = WORK[0], [], []
    name = f"first git status, {'after a walk' if is_warm else 'cold'}"
    most = 2.5 if is_warm else float("inf")
    try:
        for _ in range(_FIRSTS):
            with contextmanager(scene.serve)() as served:
                bare.append(scene.outside.time(status))
                if is_warm:
                    served.inside.walk()
                times.append(served.inside.time(status))
    except AssertionError as error:
        return Row(name, 0, "x", most, failed=str(error))
    ratios = [one / other for one, other in zip(times, bare, strict=True)]
    middle = statistics.median
    return Row(name, middle(ratios), "x", most, middle(bare) * 1000, middle(times) * 1000)


def edits(inside: Worker, scratch: Path) -> Iterator[Row]:
    """Give how long after an edit outside it is seen inside, in milliseconds."""
    ways: Mapping[str, Callable[[Path, str], None]] = {
        "in place": _edit_in_place,
        "renamed over": _replace,
        "new file": _make,
    }
    for way, edit in ways.items():
        times = []
        path = scratch / "edited"
        try:
            for number in range(_EDITS):
                if way == "new file":
                    path = scratch / f"new{number}.env"
                else:
                    path.touch()
                inside.watch(str(path.relative_to(scratch.parent)))
                time.sleep(0.002)
                begun = time.monotonic()
                edit(path, f"TEXT={number:04}\n")
                times.append((inside.seen() - begun) * 1000)
        except AssertionError as error:
            yield Row(f"host edit, {way}", 0, "ms", 10, failed=str(error))
            continue
        yield Row(f"host edit, {way}", statistics.median(times), "ms", 10)


def _edit_in_place(path: Path, text: str) -> None:
    with path.open("r+") as file:
        file.write(text)


def _make(path: Path, text: str) -> None:
    path.write_text(text)


def _replace(path: Path, text: str) -> None:
    beside = path.with_suffix(".beside")
    beside.write_text(text)
    beside.replace(path)


def measure(folder: Path, files: int, rounds: int, only: Sequence[str]) -> Iterator[Row]:
    """Yield all figures."""
    repository = Repository(folder, files)
    repository.take()
    _, found = repository.take()
    masked = sum(one.mode == "mask" for one in found.files)
    assert masked == MASKED, f"{masked} files are masked, not {MASKED}"
    scratch = repository.workspace / "scratch"
    names = iter(range(1 << 30))
    twin = repository.twin()
    outside = Worker(twin)

    def serve_anew() -> Iterator[Served]:
        served = Served(repository, found, folder / f"session{next(names)}")
        try:
            yield served
        finally:
            served.close()

    scene = Scene(repository, outside, serve_anew)
    wanted = [work for work in WORK if not only or work.name in only]
    with contextmanager(serve_anew)() as served:
        before = served.memory()
        served.inside.walk()
        for work in wanted:
            yield by_turns(work, (outside, twin), (served.inside, repository.workspace), rounds)
        if not only:
            yield from edits(served.inside, scratch)
            after = served.memory()
            yield Row("daemon's memory", after, "MB", float("inf"))
            yield Row("grown since its start", after - before, "MB", 60 * max(1, files / 15_000))
    if not only:
        yield firsts(scene, is_warm=False)
        yield firsts(scene, is_warm=True)
        yield from _starts(scene)


def _starts(scene: Scene) -> Iterator[Row]:
    mounted, usable = [], []
    for _ in range(_STARTS):
        with contextmanager(scene.serve)() as served:
            mounted.append((served.mounted - served.begun) * 1000)
            usable.append((served.usable - served.begun) * 1000)
    yield Row("namespaces and mount", statistics.median(mounted), "ms", float("inf"))
    yield Row("mounted and usable", statistics.median(usable), "ms", 30)


def _line(row: Row) -> str:
    if row.failed:
        return f"{row.name:<40} failed: {row.failed}"
    times = "" if row.bare is None else f"{row.bare:10.1f} {row.viewed:10.1f}"
    is_open = row.most == float("inf")
    verdict = "" if is_open else f"{row.most:10g} {'' if row.figure <= row.most else '  over'}"
    return f"{row.name:<40}{times:>21}{row.figure:10.2f} {row.unit:<3}{verdict}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=15_000)
    parser.add_argument("--rounds", type=int, default=7, help="two or more")
    parser.add_argument("--only", nargs="+", default=[], choices=[work.name for work in WORK])
    parser.add_argument("--place", type=Path, default=Path("/var/tmp"), metavar="FOLDER")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    if wanted.rounds < 2:
        parser.error("a figure needs two rounds")
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-view-", dir=wanted.place) as folder:
        if not wanted.json:
            title = f"{wanted.files} files, {MASKED} masked"
            print(f"{title:<40}{'bare ms':>10}{'view ms':>11}{'figure':>10}{'most':>14}")
        for row in measure(Path(folder).resolve(), wanted.files, wanted.rounds, wanted.only):
            rows.append(row)
            if not wanted.json:
                print(_line(row), flush=True)
    if wanted.json:
        print(json.dumps({"version": 1, "files": wanted.files, "rows": [vars(row) for row in rows]}))


if __name__ == "__main__":
    main()
