"""What left of a file because another file has the same bytes; pure but for numpy.

A search for many contents at once finds bytes that several have as those of one of them (`runs`). That they left is
true of the others as well: here each is compared with all that was found to have left.
"""

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from wrapper.review.left import Leaving, Part, line_starts, span
from wrapper.review.runs import SHORTEST, VARIED, WINDOW, Run, common_start, merged, windows

_BITS: Final = 26  # of a hash, by which a table says at a glance what stands nowhere: 64 MiB
_SHIFT: Final = np.uint64(64 - _BITS)


class _Piece(NamedTuple):
    """Bytes that left, of which leaving, and from where on they stand among all pieces."""

    at: int
    end: int
    leaving: int


def shared(contents: Sequence[bytes], leavings: Sequence[Leaving]) -> list[Leaving]:
    """Return what left of contents besides what was found as theirs: of the same bytes, the first leaving of them."""
    blob, pieces = _pieces(contents, leavings)
    if not pieces:
        return []
    present = np.zeros(1 << _BITS, np.bool_)
    present[windows(blob) >> _SHIFT] = True
    own: dict[int, list[Run]] = {}
    for leaving in leavings:
        runs = [one.run(leaving.part.content) for one in leaving.part.spans]
        own[leaving.part.content] = merged([*own.get(leaving.part.content, ()), *runs])
    found: list[Leaving] = []
    for number, content in enumerate(contents):
        by_leaving: dict[int, list[Run]] = {}
        for run, which in _runs(number, content, blob, pieces, present):
            if not any(one.start <= run.start and run.end <= one.end for one in own.get(number, ())):
                by_leaving.setdefault(which, []).append(run)
        starts = line_starts(content) if by_leaving else []
        for which, runs in sorted(by_leaving.items()):
            part = leavings[which].part
            spans = tuple(span(run, starts) for run in merged(runs))
            found.append(replace(leavings[which], part=Part(number, spans, part.forms), same_as=part.content))
    return found


def _pieces(contents: Sequence[bytes], leavings: Sequence[Leaving]) -> tuple[bytes, list[_Piece]]:
    """Put all that left one behind the other, each once, in the order in which it first did."""
    seen: dict[tuple[int, int, int], int] = {}
    for number, leaving in sorted(enumerate(leavings), key=lambda pair: (pair[1].at, pair[0])):
        for one in leaving.part.spans:
            for start, end in one.run(0).shown():
                seen.setdefault((leaving.part.content, start, end), number)
    pieces: list[_Piece] = []
    parts: list[bytes] = []
    at = 0
    for (content, start, end), number in seen.items():
        if end - start >= SHORTEST:
            parts.append(contents[content][start:end])
            pieces.append(_Piece(at, at + end - start, number))
            at += end - start
    return b"".join(parts), pieces


def _runs(
    number: int, content: bytes, blob: bytes, pieces: Sequence[_Piece], present: npt.NDArray[np.bool_]
) -> Iterator[tuple[Run, int]]:
    """Yield each run of a content that stands in a piece, and whose piece it is."""
    there = np.concatenate(([False], present[windows(content) >> _SHIFT], [False]))
    edges = np.flatnonzero(there[1:] != there[:-1])
    begins = [piece.at for piece in pieces]
    for first, behind in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        place, end = first, behind - 1 + WINDOW
        while place + SHORTEST <= end:
            needle, where, size = content[place : place + SHORTEST], -1, 0
            while size < SHORTEST and (where := blob.find(needle, where + 1)) >= 0:
                piece = pieces[bisect.bisect_right(begins, where) - 1]  # it may begin in one and end in the next
                size = min(common_start(content, place, blob, where), piece.end - where)
            if size >= SHORTEST and len(set(content[place : place + size])) >= VARIED:
                yield Run(number, place, place + size), piece.leaving
            place += max(1, size - SHORTEST + 1)
