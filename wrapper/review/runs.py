"""Finds runs of known texts in other text: byte for byte, with placeholders as wildcards for what was masked.

What `Known.find` promises:
1. Every run of `SHORTEST` bytes or more that both have is found, if it is no mere repetition (`VARIED`). What several
   known texts have is found in the first of them, in others only with what is their own.
2. Nothing else is: a hash only says where to look, then bytes are compared.
3. Where the text has a placeholder, the known one may have any value up to `_LONGEST_VALUE` bytes; what stands behind
   it must be the same again. Masked values do not count to a run's length. No run begins or ends within a placeholder,
   also where a value begins or ends with the same letters: they are not the value's.

Takes 100 ms to import (numpy): whoever needs it imports it late.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from redactors.vault import PLACEHOLDER
from wrapper.buckets import Buckets

SHORTEST: Final = 32
"""Bytes of a run. Less is found in other texts by chance: `from collections.abc import` has 27."""

WINDOW: Final = 16
"""Bytes of a hash."""

_STEP: Final = 8  # neighbours of which one is kept: a run of 23 bytes holds one
VARIED: Final = 8
"""Different bytes that a run must have: a line of dashes is nobody's."""

_DULL: Final = 4  # and a window: one of blanks would be looked up everywhere
_PLACES: Final = 16  # of one window in one known text; files repeat themselves
_LONG: Final = 256  # bytes of a run within which no other of the same known text is looked for
_LONGEST_VALUE: Final = 8192  # bytes; a private key of 8192 bits has 6,400 in PEM
_BORDER: Final = 12  # bytes beside a placeholder by which the known text's value is told to end
_BORDERS: Final = (_BORDER, 8, 5)  # fewer where the text ends, or the next placeholder begins
_BLOCK: Final = 4096
_BATCH: Final = 4 << 20  # bytes of known texts whose windows are chosen at once
_SPARSE: Final = 16  # places of the table that says at a glance what is nowhere, for each window that is somewhere
_LEAST_BITS: Final = 20
_MOST_BITS: Final = 27  # 128 MiB
_MIX: Final = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))  # odd, of no pattern (Fibonacci, xxHash)

_Codes = npt.NDArray[np.uint64]
_Rows = npt.NDArray[np.int64]
_Kept = npt.NDArray[np.void]
# a window: its hash, which known text's it is, and where
_ROW: Final = np.dtype([("code", "u8"), ("owner", "i4"), ("place", "i4")])
_placeholder: Final = re.compile(PLACEHOLDER)
_MARK: Final = b"MASKED-"
_LONGEST_PLACEHOLDER: Final = 96


class Run(NamedTuple):
    """Bytes `start` to `end` of known text `known`; those in `hidden` (from, to) stood behind placeholders."""

    known: int
    start: int
    end: int
    hidden: tuple[tuple[int, int], ...] = ()

    @property
    def masked(self) -> int:
        """How many bytes were hidden."""
        return sum(end - start for start, end in self.hidden)

    def shown(self) -> Iterator[tuple[int, int]]:
        """Yield what was not hidden, from and to."""
        at = self.start
        for start, end in self.hidden:
            if start > at:
                yield at, start
            at = end
        if at < self.end:
            yield at, self.end


class _Match(NamedTuple):
    """Where a run stands in the text, in the known one, and what of the latter is behind placeholders."""

    text_start: int
    text_end: int
    start: int
    end: int
    hidden: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """How many bytes of the known text stood there."""
        return self.end - self.start - sum(end - start for start, end in self.hidden)


class Known:
    """Texts to look for; `find` names them by their place in `texts`."""

    def __init__(self, texts: Sequence[bytes]) -> None:
        self._texts = tuple(texts)
        rows = _sampled(self._texts)
        self._hashes, self._owners, self._places = (
            np.ascontiguousarray(rows[name]) for name in ("code", "owner", "place")
        )
        self._buckets = Buckets(self._hashes)
        # all texts in one piece: where many candidates are, they are compared at once
        self._whole = _framed(b"".join(self._texts))
        self._starts = np.concatenate(([0], np.cumsum([len(text) for text in self._texts], dtype=np.int64)))
        bits = min(max(_LEAST_BITS, (_SPARSE * self._hashes.size).bit_length()), _MOST_BITS)
        self._shift = np.uint64(64 - bits)
        self._present = np.zeros(1 << bits, np.bool_)
        self._present[self._hashes >> self._shift] = True

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
        codes = windows(text)
        rows = np.flatnonzero(self._present[codes >> self._shift]) if self._hashes.size else np.empty(0, np.int64)
        first = self._buckets.first(codes[rows])
        there = np.zeros(rows.size, np.bool_)
        within = first < self._hashes.size
        there[within] = self._hashes[first[within]] == codes[rows[within]]
        rows, first = rows[there], first[there]
        if not rows.size:
            return
        counts = self._buckets.behind(codes[rows]) - first
        ends = np.cumsum(counts)
        at = np.repeat(first - (ends - counts), counts) + np.arange(int(counts.sum()))
        rows = np.repeat(rows, counts)
        owners, places = self._owners[at], self._places[at].astype(np.int64)
        framed, there = _framed(text), self._starts[owners] + places
        enough = _agreeing_beside(framed, rows, self._whole, there) >= SHORTEST - WINDOW
        likely = enough | _near_placeholders(text)[rows]
        rows, owners, places = rows[likely], owners[likely], places[likely]
        first = _first_of_run(owners, places - rows, rows)
        yield from zip(*(column[first].tolist() for column in (rows, owners, places)), strict=True)


def _first_of_run(owners: npt.NDArray[np.int32], shifts: _Rows, rows: _Rows) -> _Rows:
    """Choose candidates of which not all is said by the one before: its window, moved alike, ends beside theirs."""
    order = np.lexsort((rows, shifts, owners))
    owners, shifts, rows = owners[order], shifts[order], rows[order]
    goes_on = (owners[1:] == owners[:-1]) & (shifts[1:] == shifts[:-1]) & (rows[1:] - rows[:-1] <= WINDOW)
    return np.sort(order[np.concatenate((np.ones(min(rows.size, 1), np.bool_), ~goes_on))])


def _outermost(matches: list[_Match]) -> Iterator[_Match]:
    """Yield those that lie in no other: where a known text repeats itself, bytes of the text stand for one place."""
    end = -1
    for match in sorted(matches, key=lambda match: (match.text_start, -match.text_end, match.start)):
        if match.text_end > end:
            end = match.text_end
            yield match


def merged(runs: Iterable[Run]) -> list[Run]:
    """Join runs of one known text that overlap or touch; sorted. Hidden stays what none of them shows."""
    joined: list[Run] = []
    for run in sorted(set(runs)):
        last = joined[-1] if joined else None
        if last is not None and last.known == run.known and run.start <= last.end:
            joined[-1] = _joined(last, run)
        else:
            joined.append(run)
    return joined


def _joined(one: Run, other: Run) -> Run:
    end = max(one.end, other.end)
    if not (one.hidden or other.hidden):
        return Run(one.known, one.start, end)
    hidden, at = [], one.start
    for start, stop in sorted((*one.shown(), *other.shown())):
        if start > at:
            hidden.append((at, start))
        at = max(at, stop)
    if at < end:
        hidden.append((at, end))
    return Run(one.known, one.start, end, tuple(hidden))


def windows(text: bytes) -> _Codes:
    """Hash the WINDOW bytes at every byte."""
    size = len(text) - WINDOW + 1
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


def _framed(text: bytes) -> bytes:
    """Put a window's length of nothing around a text, so that what is beside its ends can be read."""
    return bytes(WINDOW) + text + bytes(WINDOW + 8)


def _agreeing_beside(one: bytes, rows: _Rows, other: bytes, places: _Rows) -> _Rows:
    """Count the bytes that agree right before and right behind windows of two framed texts, 16 on either side at most.

    A word is read with its first byte as the lowest, so what agrees before a window are a word's highest bytes.
    """
    left, right = _words(one), _words(other)
    total: _Rows = np.zeros(rows.size, np.int64)
    for near, far, lowest in ((WINDOW - 8, WINDOW - 16, False), (2 * WINDOW, 2 * WINDOW + 8, True)):
        first = _agreeing_bytes(left[rows + near] ^ right[places + near], lowest=lowest)
        second = _agreeing_bytes(left[rows + far] ^ right[places + far], lowest=lowest)
        total += first + np.where(first == 8, second, 0)
    return total


def _agreeing_bytes(differing: _Codes, *, lowest: bool) -> _Rows:
    """Count the bytes that are 0 from the lowest (or highest) on."""
    total: _Rows = np.zeros(differing.size, np.int64)
    for bits in range(0, 64, 8):
        shift = np.uint64(56 - bits)
        total += (differing << shift if lowest else differing >> shift) == 0
    return total


def _near_placeholders(text: bytes) -> npt.NDArray[np.bool_]:
    """Say of each byte whether a placeholder is beside the window there: a run may go on behind it."""
    near = np.zeros(len(text), np.bool_)
    for placeholder in _placeholder.finditer(text):
        near[max(0, placeholder.start() - WINDOW - 8) : placeholder.end() + 8] = True
    return near


def _sampled(texts: Sequence[bytes]) -> _Kept:
    """Give the windows to keep of all texts, by code: of each code those of the first text with it, `_PLACES` at most.

    So of a file's hundredth version what is kept is what no other has. Texts are taken some at a time, so that what is
    repeated never stands in memory many times.
    """
    kept, batch, size = np.empty(0, _ROW), list[_Kept](), 0
    for number, text in enumerate(texts):
        batch.append(_chosen(number, text))
        size += len(text)
        if size >= _BATCH:
            kept, batch, size = _added(kept, batch), [], 0
    return _added(kept, batch) if batch else kept


def _added(kept: _Kept, batch: Sequence[_Kept]) -> _Kept:
    new = np.concatenate(batch)
    new = new[np.argsort(new["code"], kind="stable")]  # within a code by text, then by place
    both = np.concatenate((kept, new[_wanted(new, kept["code"])]))
    return both[np.argsort(both["code"], kind="stable")]


def _wanted(new: _Kept, known: _Codes) -> npt.NDArray[np.bool_]:
    """Say which rows to keep: of a code that is not `known`, those of its first text, and not too many."""
    codes, owners = new["code"], new["owner"]
    first = np.flatnonzero(np.concatenate((np.ones(min(codes.size, 1), np.bool_), codes[1:] != codes[:-1])))
    group = np.repeat(np.arange(first.size), np.diff(np.append(first, codes.size)))
    wanted: npt.NDArray[np.bool_] = (owners == owners[first][group]) & (np.arange(codes.size) - first[group] < _PLACES)
    if known.size:
        wanted &= known[np.minimum(np.searchsorted(known, codes), known.size - 1)] != codes
    return wanted


def _chosen(number: int, text: bytes) -> _Kept:
    """Choose the windows of one text: of every eight neighbours the one with the smallest hash (winnowing).

    Equal texts keep equal windows, wherever they stand. A window of few different bytes is not kept.
    """
    codes = windows(text)
    if not codes.size:
        return np.empty(0, _ROW)
    step = min(_STEP, codes.size)
    best = np.lib.stride_tricks.sliding_window_view(codes, step).argmin(axis=1) + np.arange(codes.size - step + 1)
    places = best[np.concatenate(([True], best[1:] != best[:-1]))]  # it never goes back
    letters = np.sort(np.lib.stride_tricks.sliding_window_view(np.frombuffer(text, np.uint8), WINDOW)[places], axis=1)
    places = places[(letters[:, 1:] != letters[:, :-1]).sum(axis=1) + 1 >= _DULL]
    rows = np.empty(places.size, _ROW)
    rows["code"], rows["owner"], rows["place"] = codes[places], number, places
    return rows


def _matched(text: bytes, row: int, known: bytes, place: int) -> _Match:
    """Compare around a candidate, and on over placeholders."""
    back = _common_end(text, row, known, place)
    start, text_start = place - back, row - back
    end, text_end = place, row
    values: list[tuple[int, int]] = []
    while True:
        more = common_start(text, text_end, known, end)
        end, text_end = end + more, text_end + more
        split = _around(text, text_end)
        if split is not None and split[0] >= text_start:
            end, text_end = end - (text_end - split[0]), split[0]
        hidden = _behind(text, text_end, known, end)
        if hidden is None:
            break
        text_end, value_end = hidden
        values.append((end, value_end))
        end = value_end
    start, text_start = _unsplit(text, text_start, text_end, start)
    while (before := _before(text, text_start, known, start)) is not None:
        text_start, value_start = before
        values.append((value_start, start))
        back = _common_end(text, text_start, known, value_start)
        start, text_start = _unsplit(text, text_start - back, text_end, value_start - back)
    return _Match(text_start, text_end, start, end, tuple(sorted(value for value in values if value[0] < value[1])))


def _unsplit(text: bytes, at: int, until: int, start: int) -> tuple[int, int]:
    """Return where known and text begin behind the placeholder that a run from `at` to `until` would cut."""
    split = _around(text, at)
    return (start, at) if split is None or split[1] > until else (start + split[1] - at, split[1])


def _around(text: bytes, at: int) -> tuple[int, int] | None:
    """Return from where to where the placeholder goes that begins before `at` and ends behind it."""
    mark = text.rfind(_MARK, max(0, at - _LONGEST_PLACEHOLDER), at + len(_MARK) - 1)
    placeholder = _placeholder.match(text, mark) if mark >= 0 else None
    return placeholder.span() if placeholder is not None and placeholder.end() > at else None


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
    return match.size >= SHORTEST and len(set(known[match.start : match.end])) >= VARIED


def common_start(one: bytes, i: int, other: bytes, j: int) -> int:
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
