"""Which line of a text became which line of its next version; pure.

Patience (Bram Cohen's, as in git-diff(1)): what both versions begin and end with, then lines that each has once, in
their longest common order, then the same again between them. What is left between two such lines was replaced: each
new line there comes from the old one with most words in common. `difflib` for all of it would be quadratic.
"""

import bisect
import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from redactors.tokens import tokenise

_SMALL: Final = 400  # lines, old by new, that may be compared with one another: 400 of each
_LEAST: Final = 0.1  # of the old line's words, below which it is not what the new one comes from

Line = bytes
_CLASS: Final = 3  # of a token's hash; 0 is a mark (`redactors.tokens`)


class Steps(NamedTuple):
    """For each new line the old line that it is (`same`), or that it comes from (`before`); -1: none."""

    same: list[int]
    before: list[int]


class _Piece(NamedTuple):
    old: int
    old_end: int
    new: int
    new_end: int


def steps(old: Sequence[Line], new: Sequence[Line]) -> Steps:
    """Follow lines from one version to the next. Line ends of other systems are no difference."""
    old, new = _plain(old), _plain(new)
    same, before = [-1] * len(new), [-1] * len(new)
    pieces = [_Piece(0, len(old), 0, len(new))]
    while pieces:
        piece = _trimmed(old, new, pieces.pop(), same)
        if piece.old == piece.old_end or piece.new == piece.new_end:
            continue
        anchors = list(_anchors(old, new, piece)) or list(_matched(old, new, piece))
        if not anchors:
            for number, origin in _replaced(old, new, piece):
                before[number] = origin
            continue
        at, at_new = piece.old, piece.new
        for one, other in anchors:
            same[other] = one
            pieces.append(_Piece(at, one, at_new, other))
            at, at_new = one + 1, other + 1
        pieces.append(_Piece(at, piece.old_end, at_new, piece.new_end))
    return Steps(same, before)


def words(line: Line) -> "Counter[int]":
    """Count a line's words (names, keywords, numbers), as hashes; its marks where it has no words."""
    exact = tokenise(line).exact
    spoken = exact[(exact & _CLASS) != 0]
    return Counter((spoken if spoken.size else exact).tolist())


def _plain(lines: Sequence[Line]) -> list[Line]:
    return [line.removesuffix(b"\r") for line in lines]


def _trimmed(old: Sequence[Line], new: Sequence[Line], piece: _Piece, same: list[int]) -> _Piece:
    """Take off what both begin and end with."""
    at, end, at_new, end_new = piece
    while at < end and at_new < end_new and old[at] == new[at_new]:
        same[at_new] = at
        at, at_new = at + 1, at_new + 1
    while at < end and at_new < end_new and old[end - 1] == new[end_new - 1]:
        end, end_new = end - 1, end_new - 1
        same[end_new] = end
    return _Piece(at, end, at_new, end_new)


def _anchors(old: Sequence[Line], new: Sequence[Line], piece: _Piece) -> Iterator[tuple[int, int]]:
    """Yield lines that each side has once, as many as keep their order (longest increasing subsequence)."""
    places = _once(old, piece.old, piece.old_end)
    both = [(places[line], number) for line, number in _once(new, piece.new, piece.new_end).items() if line in places]
    both.sort(key=lambda pair: pair[1])
    ends: list[int] = []  # by length: the least place at which a subsequence of that length ends
    last: list[int] = []
    back = [-1] * len(both)
    for at, (place, _) in enumerate(both):
        length = bisect.bisect_left(ends, place)
        back[at] = last[length - 1] if length else -1
        ends[length : length + 1] = [place]
        last[length : length + 1] = [at]
    chain: list[tuple[int, int]] = []
    at = last[-1] if last else -1
    while at >= 0:
        chain.append(both[at])
        at = back[at]
    yield from reversed(chain)


def _once(lines: Sequence[Line], start: int, end: int) -> dict[Line, int]:
    counts = Counter(lines[start:end])
    return {lines[at]: at for at in range(start, end) if counts[lines[at]] == 1}


def _matched(old: Sequence[Line], new: Sequence[Line], piece: _Piece) -> Iterator[tuple[int, int]]:
    """Yield equal lines of a small piece in which none stands once."""
    if (piece.old_end - piece.old) * (piece.new_end - piece.new) > _SMALL**2:
        return
    matcher = difflib.SequenceMatcher(
        None, old[piece.old : piece.old_end], new[piece.new : piece.new_end], autojunk=False
    )
    for one, other, size in matcher.get_matching_blocks():
        yield from ((piece.old + one + at, piece.new + other + at) for at in range(size))


def _replaced(old: Sequence[Line], new: Sequence[Line], piece: _Piece) -> Iterator[tuple[int, int]]:
    """Yield which old line each new one comes from: that with most words in common, of equals that in its place."""
    if (piece.old_end - piece.old) * (piece.new_end - piece.new) > _SMALL**2:
        return
    former = [words(line) for line in old[piece.old : piece.old_end]]
    for number in range(piece.new, piece.new_end):
        mine = words(new[number])
        place = number - piece.new
        ranked = [((mine & theirs).total(), -abs(at - place), at) for at, theirs in enumerate(former)]
        common, _, best = max(ranked)
        if common and common >= _LEAST * former[best].total():
            yield number, piece.old + best
