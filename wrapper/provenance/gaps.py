"""Lines that somebody edited, found where they stand: between lines of the same emission that nobody touched; pure.

Lines that an emission shares with the text are its anchors here, its own and those that it only repeated: what a whole
file was when it was written shows where a changed line has its place. Between two anchors, open lines of the text are
compared with the emission's own lines that stand nowhere else in the text. As many lines on both sides: each with the
one in its place first; else with the one most like it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from wrapper.provenance.model import Flag
from wrapper.provenance.pairing import Flags, Known, Pairs, Places

if TYPE_CHECKING:
    from wrapper.provenance.matching import LineMatches

_EDGE: Final = 12  # lines looked at before the first anchor and behind the last one
_ALONE: Final = 2  # lines in a run, below which nothing is looked for around it: `import x` is everybody's
_WIDEST: Final = 400  # lines of a gap on either side that are compared with one another
_MOST_GAPS: Final = 20_000
LEAST: Final = 2 / 8  # of a sketch's bytes: one alone may be chance
_HALF: Final = 32  # bits of a row's number
_IN_PLACE: Final = 0.01  # in favour of the line at the same place, of several that are alike


NOTHING: Final = -1


class Edit(NamedTuple):
    """A line of the text that was line `number` of an emission. `coverage`: the share of its tokens that still is."""

    line: int
    emission: int
    number: int
    coverage: float
    hidden: bool


class Gap(NamedTuple):
    """Lines `first` to `last` of the text (not included), and `start` to `end` of the emission.

    `edge`: 1 where only one side has an anchor.
    """

    emission: int
    first: int
    last: int
    start: int
    end: int
    edge: int


def edits(matches: "LineMatches", pairs: Pairs, opened: Flags, known: Known, bound: float) -> Iterator[Edit]:
    """Yield what lines that are `opened` may have been, where at least `bound` of them still is.

    Also lines that stand in an emission's line's place and have nothing of it: with `NOTHING` as number.
    """
    from wrapper.provenance.matching import likeness  # noqa: PLC0415 (a cycle of names only)

    used = used_rows(pairs)
    fresh = opened & ~_given(pairs, opened.size)
    for gap in gaps_in(pairs, opened):
        # at an edge only lines that nobody had before: others stand there by themselves
        lines = np.flatnonzero((fresh if gap.edge else opened)[gap.first : gap.last])[:_WIDEST] + gap.first
        rows = known.rows(gap.emission)[gap.start : gap.end]
        rows = own_rows(rows, gap.emission, used)[:_WIDEST]
        if not (lines.size and rows.size):
            continue
        alike = likeness(matches.sketches[lines][:, None], rows["sketch"][None, :])
        in_place = gap.last - gap.first == gap.end - gap.start
        same = (rows["number"].astype(np.int64)[None, :] - gap.start) == (lines[:, None] - gap.first)
        other = matches.shapes[lines][:, None] != rows["shape"][None, :]
        yield from _likely(gap.emission, lines, rows, alike, in_place & same, bound)
        replaced = (in_place & same & other & (alike < LEAST)).any(axis=1)
        yield from (Edit(line, gap.emission, NOTHING, 0.0, hidden=False) for line in lines[replaced].tolist())


def share(likeness: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Estimate which share of a line's tokens another has, by what share of those of both they have in common.

    Sketches estimate the latter (Broder, "On the resemblance and containment of documents", 1997); both lines are taken
    to be of the same length.
    """
    return 2 * likeness / (1 + likeness)


def _likely(
    emission: int,
    lines: Places,
    rows: npt.NDArray[np.void],
    alike: npt.NDArray[np.float64],
    same: Flags,
    bound: float,
) -> Iterator[Edit]:
    best = (alike + _IN_PLACE * same).argmax(axis=1)
    for at, (line, row) in enumerate(zip(lines.tolist(), best.tolist(), strict=True)):
        is_hidden = bool(rows["flags"][row] & Flag.HIDDEN)
        likely, coverage = alike[at, row], float(share(alike[at, row]))
        if likely >= LEAST and (coverage >= bound or is_hidden):
            yield Edit(line, emission, int(rows["number"][row]), coverage, is_hidden)


def own_rows(rows: npt.NDArray[np.void], emission: int, used: Places) -> npt.NDArray[np.void]:
    """Leave out what is not the emission's own, what says nothing, and what stands somewhere in the text as it is."""
    rows = rows[(rows["flags"] & (Flag.ECHO | Flag.TRIVIAL)) == 0]
    wanted = (emission << _HALF) | rows["number"].astype(np.int64)
    at = np.minimum(np.searchsorted(used, wanted), used.size - 1)
    free: npt.NDArray[np.void] = rows[used[at] != wanted]
    return free


class Room:
    """Tells where lines of an emission are missing, so that others may stand in their place."""

    def __init__(self, pairs: Pairs, known: Known) -> None:
        anchors = _chosen(pairs)
        order = np.lexsort((anchors.line, anchors.emission))
        self._keys = (anchors.emission[order] << _HALF) | anchors.line[order]
        self._numbers = anchors.number[order]
        self._used = used_rows(pairs)
        self._known = known

    def at(self, line: int, emission: int) -> bool:
        """Whether between the anchors around a line an own line of the emission is missing, or one may be."""
        at = int(np.searchsorted(self._keys, (emission << _HALF) | line))
        if not 0 < at < self._keys.size or {int(key) >> _HALF for key in self._keys[at - 1 : at + 1]} != {emission}:
            return True
        start, end = int(self._numbers[at - 1]) + 1, int(self._numbers[at])
        return end < start or own_rows(self._known.rows(emission)[start:end], emission, self._used).size > 0


def _given(pairs: Pairs, count: int) -> Flags:
    """Say which lines an agent only repeated: they were there before it wrote."""
    given = np.zeros(count, np.bool_)
    given[pairs.line[pairs.exact & ~pairs.own]] = True
    return given


def used_rows(pairs: Pairs) -> Places:
    """Give the rows that stand in the text as they are, sorted."""
    used: Places = np.unique((pairs.emission[pairs.exact] << _HALF) | pairs.number[pairs.exact])
    return used


def _chosen(pairs: Pairs) -> Pairs:
    """Keep, of each line, one anchor for each emission: that with the longest run."""
    anchors = pairs.where(pairs.exact)
    order = np.lexsort((anchors.along, anchors.line, anchors.emission))
    line, emission = anchors.line[order], anchors.emission[order]
    last = np.ones(line.size, np.bool_)
    last[:-1] = (line[1:] != line[:-1]) | (emission[1:] != emission[:-1])
    kept = np.zeros(line.size, np.bool_)
    kept[order[last]] = True
    return anchors.where(kept)


def gaps_in(pairs: Pairs, opened: Flags) -> list[Gap]:
    """Give the gaps that hold open lines, the shortest first, no more than can be looked at."""
    anchors = _chosen(pairs)
    if not anchors.line.size:
        return []
    order = np.lexsort((anchors.line, anchors.emission))
    emission, line, number = (column[order] for column in (anchors.emission, anchors.line, anchors.number))
    until = np.concatenate(([0], np.cumsum(opened)))
    follows = np.append((np.diff(emission) == 0) & (np.diff(number) > 0), [False])
    alone = anchors.along[order] < _ALONE
    found = np.stack(
        (
            np.concatenate((emission, emission)),
            np.concatenate((line + 1, np.zeros_like(line))),
            np.concatenate((np.append(line[1:], 0), line)),
            np.concatenate((number + 1, np.zeros_like(number))),
            np.concatenate((np.append(number[1:], 0), number)),
            np.concatenate((~follows, np.ones_like(follows))),
        ),
        axis=1,
    )
    count = line.size
    opens = np.flatnonzero(~follows & ~alone)  # behind an anchor without a next one
    found[opens, 2] = np.minimum(line[opens] + 1 + _EDGE, opened.size)
    found[opens, 4] = number[opens] + 1 + _EDGE
    begins = np.flatnonzero(~np.concatenate(([False], follows[:-1])) & ~alone)  # before one without an earlier one
    found[count + begins, 1] = np.maximum(line[begins] - _EDGE, 0)
    found[count + begins, 3] = np.maximum(number[begins] - _EDGE, 0)
    kept = np.concatenate((follows | ~alone, np.isin(np.arange(count), begins)))
    found = found[kept]
    found = found[(found[:, 4] > found[:, 3]) & (found[:, 2] > found[:, 1])]
    found = found[until[found[:, 2]] > until[found[:, 1]]]
    size = (found[:, 2] - found[:, 1]) + (found[:, 4] - found[:, 3])
    return [Gap(*row) for row in found[np.argsort(size, kind="stable")][:_MOST_GAPS].tolist()]
