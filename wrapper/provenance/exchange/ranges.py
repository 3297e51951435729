"""Line numbers as both formats write them: inclusive, counted from 1; pure. A range from a stranger may be huge."""

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from typing import Final, NamedTuple

MOST: Final = 2**32 - 1
"""The largest line number: git-ai holds them in 32 bits."""


class Range(NamedTuple):
    """Lines `first` to `last`, both included."""

    first: int
    last: int


def joined(lines: Iterable[int]) -> tuple[Range, ...]:
    """Give sorted ranges of line numbers."""
    found: list[Range] = []
    for line in sorted(set(lines)):
        if found and found[-1].last == line - 1:
            found[-1] = Range(found[-1].first, line)
        else:
            found.append(Range(line, line))
    return tuple(found)


def within(ranges: Iterable[Range], count: int) -> Iterator[int]:
    """Yield the lines of `ranges` that a text of `count` lines has, in order, each once."""
    for one in merged(ranges):
        yield from range(one.first, min(one.last, count) + 1)


def topmost(layers: Sequence[Iterable[Range]]) -> list[tuple[Range, ...]]:
    """Give of each layer what no later one covers. The time it takes grows with their ranges, not with their lines."""
    starts = sorted((one.first, one.last, layer) for layer, ranges in enumerate(layers) for one in ranges)
    edges = sorted({edge for first, last, _ in starts for edge in (first, last + 1)})
    left: list[list[Range]] = [[] for _ in layers]
    open_: list[tuple[int, int]] = []  # a heap, the latest layer first
    waiting = iter([*starts, (edges[-1] + 1 if edges else 0, 0, 0)])
    first, last, layer = next(waiting)
    for here, after in pairwise(edges):
        while first == here:
            heappush(open_, (-layer, last))
            first, last, layer = next(waiting)
        while open_ and open_[0][1] < here:
            heappop(open_)
        if open_:
            left[-open_[0][0]].append(Range(here, after - 1))
    return [merged(ranges) for ranges in left]


def merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Sort, and join what touches or overlaps."""
    found: list[Range] = []
    for one in sorted(ranges):
        if found and one.first <= found[-1].last + 1:
            found[-1] = Range(found[-1].first, max(found[-1].last, one.last))
        else:
            found.append(one)
    return tuple(found)
