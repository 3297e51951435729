"""Finds runs of known texts in other text: byte for byte, with placeholders as wildcards for what was masked.

What `Known.find` promises:
1. Every run of `SHORTEST` bytes or more that both have is found, if it is no mere repetition (`_VARIED`). What several
   known texts have is found in the first of them, in others only with what is their own.
2. Nothing else is: a hash only says where to look, then bytes are compared.
3. Where the text has a placeholder, the known one may have any value up to `_LONGEST_VALUE` bytes; what stands behind
   it must be the same again. Masked values do not count to a run's length.

Takes 100 ms to import (numpy): whoever needs it imports it late.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from redactors.vault import PLACEHOLDER

SHORTEST: Final = 32
"""Bytes of a run. Less is found in other texts by chance: `from collections.abc import` has 27."""

_WINDOW: Final = 16  # bytes of a hash
_STEP: Final = 8  # neighbours of which one is kept: a run of 23 bytes holds one
_VARIED: Final = 8  # different bytes that a run must have: a line of dashes is nobody's
_DULL: Final = 4  # and a window: one of blanks would be looked up everywhere
_PLACES: Final = 16  # of one window in one known text; files repeat themselves
_LONG: Final = 256  # bytes of a run within which no other of the same known text is looked for
_LONGEST_VALUE: Final = 8192  # bytes; a private key of 8192 bits has 6,400 in PEM
_BORDER: Final = 12  # bytes beside a placeholder by which the known text's value is told to end
_BORDERS: Final = (_BORDER, 8, 5)  # fewer where the text ends, or the next placeholder begins
_BLOCK: Final = 4096
_MIX: Final = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))  # odd, of no pattern (Fibonacci, xxHash)

_Codes = npt.NDArray[np.uint64]
_Rows = npt.NDArray[np.int64]
_placeholder: Final = re.compile(PLACEHOLDER)
_MARK: Final = b"MASKED-"
_LONGEST_PLACEHOLDER: Final = 96


class Run(NamedTuple):
    """Bytes `start` to `end` of known text `known`, of which `masked` were hidden behind placeholders."""

    known: int
    start: int
    end: int
    masked: int


class _Match(NamedTuple):
    """Where a run stands in the text, in the known one, and how much of the latter is behind placeholders."""

    text_start: int
    text_end: int
    start: int
    end: int
    masked: int


class Known:
    """Texts to look for; `find` names them by their place in `texts`."""

    def __init__(self, texts: Sequence[bytes]) -> None:
        self._texts = tuple(texts)
        seen: set[int] = set()
        columns = [_sampled(text, seen) for text in self._texts]
        owners = [np.full(places.size, number, np.int64) for number, (_, places) in enumerate(columns)]
        hashes = np.concatenate([hashes for hashes, _ in columns]) if columns else np.empty(0, np.uint64)
        order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[order]
        self._places = np.concatenate([places for _, places in columns])[order] if columns else np.empty(0, np.int64)
        self._owners = np.concatenate(owners)[order] if columns else np.empty(0, np.int64)
        beside = [_beside(text, places) for text, (_, places) in zip(self._texts, columns, strict=True)]
        self._before = np.concatenate([before for before, _ in beside])[order] if columns else np.empty(0, np.uint64)
        self._after = np.concatenate([after for _, after in beside])[order] if columns else np.empty(0, np.uint64)
        self._present = np.zeros(1 << 20, np.bool_)
        self._present[self._hashes >> np.uint64(44)] = True

    def find(self, text: bytes) -> list[Run]:
        """Return the runs of all known texts in `text`, those of one known text merged where they touch."""
        found: dict[int, list[_Match]] = {}
        compared: dict[tuple[int, int], int] = {}
        done: dict[int, int] = {}
        for row, owner, place in self._candidates(text):
            if row < max(done.get(owner, 0), compared.get((owner, place - row), 0)):
                continue
            match = _matched(text, row, self._texts[owner], place)
            compared[owner, place - row] = compared[owner, match.end - match.text_end] = match.text_end
            if _is_run(self._texts[owner], match):
                found.setdefault(owner, []).append(match)
                if match.text_end - match.text_start >= _LONG:
                    done[owner] = match.text_end
        return merged([Run(owner, *match[2:]) for owner, matches in found.items() for match in _outermost(matches)])

    def _candidates(self, text: bytes) -> Iterator[tuple[int, int, int]]:
        """Yield where to look: row in the text, which known text, place in it; by row."""
        codes = _windows(text)
        rows = np.flatnonzero(self._present[codes >> np.uint64(44)]) if self._hashes.size else np.empty(0, np.int64)
        if not rows.size:
            return
        first = np.searchsorted(self._hashes, codes[rows], "left")
        last = np.searchsorted(self._hashes, codes[rows], "right")
        counts = last - first
        rows, first, counts = rows[counts > 0], first[counts > 0], counts[counts > 0]
        ends = np.cumsum(counts)
        at = np.repeat(first - (ends - counts), counts) + np.arange(int(counts.sum()))
        rows = np.repeat(rows, counts)
        before, after = _beside(text, rows)
        likely = (before == self._before[at]) | (after == self._after[at]) | _near_placeholders(text)[rows]
        yield from zip(*(column[likely].tolist() for column in (rows, self._owners[at], self._places[at])), strict=True)


def _outermost(matches: list[_Match]) -> Iterator[_Match]:
    """Yield those that lie in no other: where a known text repeats itself, bytes of the text stand for one place."""
    end = -1
    for match in sorted(matches, key=lambda match: (match.text_start, -match.text_end, match.start)):
        if match.text_end > end:
            end = match.text_end
            yield match


def merged(runs: Sequence[Run]) -> list[Run]:
    """Join runs of one known text that overlap or touch; sorted."""
    joined: list[Run] = []
    for run in sorted(set(runs)):
        last = joined[-1] if joined else None
        if last is not None and last.known == run.known and run.start <= last.end:
            joined[-1] = Run(run.known, last.start, max(last.end, run.end), max(last.masked, run.masked))
        else:
            joined.append(run)
    return joined


def _windows(text: bytes) -> _Codes:
    """Hash the window at every byte."""
    size = len(text) - _WINDOW + 1
    if size <= 0:
        return np.empty(0, np.uint64)
    words = _words(text)
    mixed = words[:size] * _MIX[0] + words[8 : 8 + size] * _MIX[1]
    hashed: _Codes = (mixed ^ (mixed >> np.uint64(29))) * _MIX[0]
    return hashed


def _words(text: bytes) -> _Codes:
    """Read eight bytes as a number at every byte."""
    words: _Codes = np.ndarray((len(text) - 7,), np.dtype("<u8"), text, strides=(1,))
    return words


def _beside(text: bytes, places: _Rows) -> tuple[_Codes, _Codes]:
    """Give the eight bytes before and behind the window at each place: a run of 32 bytes has one of them, too."""
    words = _words(bytes(8) + text + bytes(8))
    return words[places], words[places + 8 + _WINDOW]


def _near_placeholders(text: bytes) -> npt.NDArray[np.bool_]:
    """Say of each byte whether a placeholder is beside the window there: a run may go on behind it."""
    near = np.zeros(len(text), np.bool_)
    for placeholder in _placeholder.finditer(text):
        near[max(0, placeholder.start() - _WINDOW - 8) : placeholder.end() + 8] = True
    return near


def _sampled(text: bytes, known: set[int]) -> tuple[_Codes, _Rows]:
    """Give the windows to keep of a text, and their places; not those in `known`, to which they are added.

    Of every eight neighbours the one with the smallest hash is kept (winnowing): equal texts keep equal windows,
    wherever they stand, so that of a file's hundredth version what is kept is what no other has.
    """
    codes = _windows(text)
    if not codes.size:
        return codes, np.empty(0, np.int64)
    step = min(_STEP, codes.size)
    best = np.lib.stride_tricks.sliding_window_view(codes, step).argmin(axis=1) + np.arange(codes.size - step + 1)
    places: list[int] = []
    seen: dict[int, int] = {}
    for place in np.unique(best).tolist():
        code = int(codes[place])
        seen[code] = seen.get(code, 0) + 1
        if code not in known and seen[code] <= _PLACES and len(set(text[place : place + _WINDOW])) >= _DULL:
            places.append(place)
    known.update(seen)
    rows = np.array(places, np.int64)
    return codes[rows], rows


def _matched(text: bytes, row: int, known: bytes, place: int) -> _Match:
    """Compare around a candidate, and on over placeholders."""
    back = _common_end(text, row, known, place)
    start, text_start = place - back, row - back
    end, text_end, masked = place, row, 0
    while True:
        more = _common_start(text, text_end, known, end)
        end, text_end = end + more, text_end + more
        hidden = _behind(text, text_end, known, end)
        if hidden is None:
            break
        text_end, value_end = hidden
        masked += value_end - end
        end = value_end
    while (before := _before(text, text_start, known, start)) is not None:
        text_start, value_start = before
        masked += start - value_start
        back = _common_end(text, text_start, known, value_start)
        start, text_start = value_start - back, text_start - back
    return _Match(text_start, text_end, start, end, masked)


def _behind(text: bytes, at: int, known: bytes, end: int) -> tuple[int, int] | None:
    """Return where text and known go on behind a placeholder at `at`."""
    placeholder = _placeholder.match(text, at)
    if placeholder is None:
        return None
    after = placeholder.end()
    follows = text[after : after + _BORDER + len(_MARK)].partition(_MARK)[0]
    for size in (size for size in _BORDERS if size <= len(follows)):
        there = known.find(follows[:size], end, end + _LONGEST_VALUE)
        if there >= 0:
            return after, there
    return None


def _before(text: bytes, at: int, known: bytes, start: int) -> tuple[int, int] | None:
    """Return where text and known end before a placeholder that ends at `at`."""
    mark = text.rfind(_MARK, max(0, at - _LONGEST_PLACEHOLDER), at)
    placeholder = _placeholder.match(text, mark, at) if mark >= 0 else None
    if placeholder is None or placeholder.end() != at:
        return None
    precedes = _placeholder.split(text[max(0, mark - _BORDER - _LONGEST_PLACEHOLDER) : mark])[-1]
    for size in (size for size in _BORDERS if size <= len(precedes)):
        there = known.rfind(precedes[-size:], max(0, start - _LONGEST_VALUE), start)
        if there >= 0:
            return mark, there + size
    return None


def _is_run(known: bytes, match: _Match) -> bool:
    return match.end - match.start - match.masked >= SHORTEST and len(set(known[match.start : match.end])) >= _VARIED


def _common_start(one: bytes, i: int, other: bytes, j: int) -> int:
    """Count the bytes that are the same from `i` and `j` on."""
    total = 0
    while True:
        left, right = one[i + total : i + total + _BLOCK], other[j + total : j + total + _BLOCK]
        if left != right:
            return total + _agreeing(left, right)
        total += len(left)
        if len(left) < _BLOCK:
            return total


def _common_end(one: bytes, i: int, other: bytes, j: int) -> int:
    """Count the bytes that are the same before `i` and `j`."""
    total = 0
    while size := min(_BLOCK, i - total, j - total):
        left, right = one[i - total - size : i - total], other[j - total - size : j - total]
        if left != right:
            return total + _agreeing(left[::-1], right[::-1])
        total += size
    return total


def _agreeing(one: bytes, other: bytes) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (left, right) in pairs if left != right), min(len(one), len(other)))
