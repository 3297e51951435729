"""Lines that a formatter made of one: joined again, they say what a line of the emission said there; pure.

Only lines that stand beside lines of an emission are tried, in windows of a few, against what is missing of it there.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from wrapper.provenance.gaps import Edit, gaps_in, own_rows, share, used_rows
from wrapper.provenance.model import Codes
from wrapper.provenance.pairing import Flags, Known, Pairs

_LONGEST: Final = 12  # lines that one line was cut into
_SHORT: Final = 6  # lines of a gap in which every window is tried
_ROWS: Final = 16  # missing lines that are compared
_MOST: Final = 6_000  # windows in all
_SAME: Final = 0.75  # of a sketch: but for a comma at the end nothing else may have been changed

Sketch = Callable[[Sequence[bytes]], Codes]


class _Window(NamedTuple):
    """Lines `start` to `end` (not included) of the text, and the missing rows that one of them may be."""

    start: int
    end: int
    emission: int
    rows: npt.NDArray[np.void]


def splits(
    lines: Sequence[bytes], sketch: Sketch, pairs: Pairs, opened: Flags, trivial: Flags, known: Known
) -> Iterator[Edit]:
    """Yield the lines that were one line of an emission, as edits of it; `sketch` gives the sketches of texts."""
    from wrapper.provenance.matching import likeness  # noqa: PLC0415 (a cycle of names only)

    windows = list(itertools.islice(_windows(pairs, opened, trivial, known), _MOST))
    if not windows:
        return
    sketches = sketch([b" ".join(line.strip() for line in lines[one.start : one.end]) for one in windows])
    for window, joined in zip(windows, sketches, strict=True):
        alike = likeness(np.array([joined]), window.rows["sketch"])
        best = int(alike.argmax())
        if alike[best] >= _SAME:
            coverage, number = float(share(alike[best])), int(window.rows["number"][best])
            for line in (np.flatnonzero(opened[window.start : window.end]) + window.start).tolist():
                yield Edit(line, window.emission, number, coverage, hidden=False)


def _windows(pairs: Pairs, opened: Flags, trivial: Flags, known: Known) -> Iterator[_Window]:
    """Yield what to try: gaps with more lines than the emission misses there; windows with nothing known in them."""
    used = used_rows(pairs)
    closed = np.concatenate(([0], np.cumsum(~(opened | trivial))))
    free = np.concatenate(([0], np.cumsum(opened)))
    for gap in gaps_in(pairs, opened):
        if free[gap.last] - free[gap.first] < 1:
            continue
        rows = own_rows(known.rows(gap.emission)[gap.start : gap.end], gap.emission, used)
        if not 0 < rows.size <= min(_ROWS, gap.last - gap.first - 1):
            continue
        for start, end in _cut(gap.first, gap.last):
            if closed[start] == closed[end] and free[start] != free[end]:
                yield _Window(start, end, gap.emission, rows)


def _cut(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield runs of two lines and more: all of a short gap, of a long one those at its ends."""
    is_short = last - first <= _SHORT
    for start in range(first, last - 1):
        for end in range(start + 2, min(start + _LONGEST, last) + 1):
            if is_short or start == first or end == last:
                yield start, end
