"""How fast a text is scanned, beside peers: `python bench/scanning.py [--peers FOLDER] [--rounds N] [FOLDER…]`.

The same texts in the same run, by turns, so that a busy machine is busy for all; processor time, which a busy machine
does not stretch, of scanning alone: not of loading rules. Medians over the rounds. Slow peers get 200 KiB of the texts,
and ours is timed on those too; gitleaks is a program, so its time holds its start.
"""

import argparse
import statistics
import sysconfig
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.detection import clean_texts, first
from bench.peers.scanners import Ours, Scanner, installed

_SLOW = {"detect-secrets", "credsweeper"}
_SMALL = 200 * 1024  # bytes: the body that peers on the hot path of gateways were measured with


def rates(texts: Sequence[str], scanners: Sequence[Scanner], rounds: int) -> dict[str, float]:
    """Give the median MB/s of each scanner; a first round, which warms up, does not count."""
    size = sum(len(text.encode()) for text in texts) / 1e6
    seconds: dict[str, list[float]] = {scanner.name: [] for scanner in scanners}
    for _ in range(rounds + 1):
        for scanner in scanners:
            seconds[scanner.name].append(scanner.scan(texts).seconds)
    return {name: size / statistics.median(times[1:]) for name, times in seconds.items()}


def table(title: str, figures: dict[str, float]) -> str:
    """Lay the figures out, each with its ratio to ours."""
    ours = figures[Ours.name]
    lines = [f"{title:<40}{'MB/s':>10}{'ours over it':>14}"]
    lines += [f"  {name:<38}{rate:>10.2f}{ours / rate:>13.1f}x" for name, rate in figures.items()]
    return "\n".join(lines)


def cut(texts: Sequence[str], size: int) -> list[str]:
    """Make one text of `size` characters, as a request's body is."""
    return ["\n".join(first(texts, size))[:size]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folders", type=Path, nargs="*", default=[Path(sysconfig.get_path("stdlib"))])
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="install them there and keep them")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=float, default=10)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = options.peers or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        scanners = [Ours(), *installed(folder)]
        every = [text for place in options.folders for text in clean_texts(place)]
        texts = first(every, options.megabytes * 1e6)
        fast = [scanner for scanner in scanners if scanner.name not in _SLOW]
        size = sum(map(len, texts)) / 1e6
        print(table(f"{len(texts)} files, {size:.1f} MB", rates(texts, fast, options.rounds)), flush=True)
        print(table("one text of 200 KiB", rates(cut(every, _SMALL), scanners, options.rounds)))


if __name__ == "__main__":
    main()
