"""Denied code, recognised on its way out: whatever way it came, and though somebody changed its names and comments.

Winnowed fingerprints of tokens (Schleimer, Wilkerson, Aiken, "Winnowing", SIGMOD 2003), of two kinds: of *shapes*, in
which names are abstracted, and of the *exact* words. What `find` promises:
1. A run of 40 tokens of a known file is found after re-indentation, changes of comments, JSON escapes, other quotation
   marks, line numbers, a diff's signs; and after renaming, if the run has enough structure of its own.
2. Chance is not a finding: a fingerprint only says where to look. There the run is compared token by token, and must
   hold enough that other code does not: of words, enough that are no idiom (`redactors.idioms`); of shapes whose names
   correspond one to one (`redactors.alignment`), enough surprise (`redactors.surprisal`), to which rare names that were
   kept add, and words that stand together as they did. How much is enough grows with what is known: a run of twice as
   much is twice as often there by chance.
3. A span covers the whole run, with the comments in it. In a JSON document it stays within one string, and neither
   begins nor ends within an escape.
What would break it: rewriting the code. Not found are fewer than 36 tokens, and, with all names changed, what is alike
everywhere: a table of small numbers, a list of imports.

Known files are kept as bytes and hashes of their tokens, no text: 200 MB for 50 MB of code. Takes 100 ms to import
(numpy): whoever needs it imports it late.
"""

import collections
import itertools
import math
import re
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from redactors.alignment import consistent, evidence, links, repeated
from redactors.enclosure import is_document, within_strings
from redactors.finding import Confidence, Finding
from redactors.idioms import WORDING, Idioms
from redactors.jsonbytes import Strings
from redactors.prints import EXACT, RARE, SHAPE, Prints, Rows, digest, fingerprints, pack, unpack
from redactors.surprisal import UNIT, Surprisal
from redactors.tokens import Codes, Flags, Places, Shape, Small, Tokens, grams, nameless, shape, tokenise
from redactors.winnowing import sums

KIND = "DENIED-CODE"
SHORTEST = 39
"""Tokens of a run of shapes: one less than 40, because a cut may fall within a token. With three less there are twice
as many false runs."""

DRIFT = UNIT // 8
"""Taken off for each token: what everybody would guess proves nothing, however much there is of it."""

_SHORTEST_WORDS = 36  # tokens of a run of words: tools count tokens differently, and words agree by chance nowhere
_KEPT_NAME = 8 * UNIT  # a rare name at the same place: a byte of it is compared
_KEPT_WORDS, _EVERYBODYS = 2 * UNIT, 6  # each wording kept beyond so many, which who uses the same library has, too
_ENOUGH_WORDINGS = 10  # different ones that are no idioms
_BLOCK, _OVERLAP = 1 << 18, 1 << 13  # bytes: a block's arrays fit into the second cache
_AT_A_MILLION, _DOUBLED, _LEAST, _MOST = 57, 4.5, 22, 52  # bits
_ANY = np.uint8(255)  # of a tag: two fingerprints share its place
_PLACES = 4  # at most, of one fingerprint
_PATIENCE = 64  # comparisons in vain, in one block: a long table that resembles another would cost seconds
_STEP = 1024  # tokens compared at once
_NEAR = SHORTEST - SHAPE  # tokens on both sides of a fingerprint that must agree, together
_BEHIND, _BEFORE = np.arange(SHAPE, SHAPE + _NEAR), np.arange(-1, -_NEAR - 1, -1)
_NEAREST = np.concatenate((_BEHIND[: _NEAR // 2], _BEFORE[: _NEAR // 2]))
_APART = _NEAR  # rows between files: who looks so far sees no other file
_WIDEST_GAP = 4096  # bytes between two tokens of a run; what is longer is no comment of its
_ESCAPE = re.compile(rb"u00[0-9a-fA-F]{2}")


def bits_needed(prints: int) -> int:
    """Bits that a run of shapes must hold where so many different fingerprints of shapes are known.

    What is known twice is found twice by chance, and half as often with `_DOUBLED` bits more (as Karlin and Altschul,
    PNAS 1990, weigh matches by the size of what is searched). So about one run stands in 100 MB of other code, measured
    on code that nobody learned (`bench/fingerprint.py --amounts`). With more than `_MOST` bits little of 40 tokens
    would be found, so beyond 7 MB of known code there are more; with fewer than `_LEAST` every loop would be found.
    """
    return min(max(_AT_A_MILLION + round(_DOUBLED * math.log2(max(prints, 1) / 1e6)), _LEAST), _MOST)


class _Table(NamedTuple):
    """Fingerprints of all files, sorted. `again`: whether the next one is the same.

    `tags`: for the upper bits of each, what its other bits say; 0 for none.
    """

    hashes: Codes
    places: Codes
    again: Flags
    tags: Small
    shift: np.uint32


class _Index(NamedTuple):
    """All files in a row, apart from each other and from both ends by `_APART` rows. `starts`: of each file's rows."""

    names: tuple[str, ...]
    starts: Places
    rows: Rows
    shapes: _Table
    words: _Table
    needed: int


class _Span(NamedTuple):
    start: int
    end: int
    name: str


class _Run(NamedTuple):
    """Rows of tokens that agree with a file."""

    start: int
    end: int
    name: str


class _Text(NamedTuple):
    """A block of what is searched."""

    tokens: Tokens
    shape: Shape
    exact: Small

    def bounds(self, row: int) -> tuple[int, int]:
        """Give the rows between which code, or what stood in comments, is contiguous around `row`."""
        return (0, self.tokens.code) if row < self.tokens.code else (self.tokens.code + 1, self.exact.size)


class Fingerprints:
    """Known files, and where runs of them stand in data. May be shared between threads.

    The first `find` after an `add` sorts all fingerprints anew (50 ms for 5 MB of code): add what comes together first.
    `idioms`, `surprisal`, `enough`: others than the bundled ones and `bits_needed`, to judge them by.
    """

    def __init__(
        self, idioms: Idioms | None = None, surprisal: Surprisal | None = None, enough: int | None = None
    ) -> None:
        self._idioms = idioms or Idioms.bundled()
        self._surprisal = surprisal
        self._enough = enough
        self._files: dict[str, Prints] = {}
        self._changing = threading.Lock()
        self._index: _Index | None = None

    def __len__(self) -> int:
        """How many fingerprints."""
        with self._changing:
            return sum(prints.kept for prints in self._files.values())

    @property
    def needed(self) -> int:
        """Bits that a run of shapes must hold, with what is known now."""
        return self._built().needed // UNIT if self._files else bits_needed(0)

    def add(self, name: str, text: bytes) -> int:
        """Know a file from now on, in place of what `name` was before; how many fingerprints were kept.

        0: shorter than a run, or nothing in it that other code does not have.
        """
        if self._surprisal is None:  # takes 60 ms, and who has all in his cache never needs it
            self._surprisal = Surprisal.bundled()
        return self._put(name, fingerprints(text, self._idioms, self._surprisal))

    def load(self, name: str, dumped: bytes) -> int:
        """Know a file by what `dump` gave for this content; `ValueError` if it is damaged or of another version."""
        return self._put(name, unpack(dumped))

    def dump(self, name: str) -> bytes:
        """Give a known file's fingerprints, to be cached under the hash of its content; `KeyError` if not known."""
        return pack(self._files[name])

    def find(self, data: bytes) -> list[Finding]:
        """Find runs of known files: sorted, not overlapping, rule `fingerprint:<name>`."""
        if not self._files or len(data) < _SHORTEST_WORDS:
            return []
        index = self._built()
        spans = [span for start, end in _blocks(data) for span in self._spans(index, data[start:end], start)]
        return list(_findings(data, _merged(spans))) if spans else []

    def _put(self, name: str, prints: Prints) -> int:
        with self._changing:
            self._files[name] = prints
            self._index = None
        return prints.kept

    def _built(self) -> _Index:
        with self._changing:
            if self._index is None:
                self._index = _joined(self._files, self._enough)
            return self._index

    def _spans(self, index: _Index, block: bytes, offset: int) -> Iterator[_Span]:
        tokens = tokenise(block)
        if tokens.starts.size < _SHORTEST_WORDS:
            return
        text = _Text(tokens, shape(tokens), digest(tokens.exact))
        for run in _runs(index, text, self._idioms):
            for start, end in _places(tokens, run):
                yield _Span(_before_escape(block, start) + offset, end + offset, run.name)


def _joined(files: dict[str, Prints], bits: int | None) -> _Index:
    """Lay all files in one row. `files` gets views of it, so that nothing is kept twice.

    `bits`: that a run must hold, None for `bits_needed`.
    """
    gap = np.zeros(_APART, np.uint8)
    starts = np.cumsum([_APART, *(prints.rows.shape.size + _APART for prints in files.values())])
    columns = zip(*(prints.rows for prints in files.values()), strict=True)
    rows = Rows(*(np.concatenate([gap, *(part for each in column for part in (each, gap))]) for column in columns))
    for (name, prints), start in zip(files.items(), starts[:-1].tolist(), strict=True):
        files[name] = prints._replace(rows=rows.part(slice(start, start + prints.rows.shape.size)))
    known = files.values()
    shapes = _table([each.shapes for each in known], [each.shape_places for each in known], starts)
    words = _table([each.words for each in known], [each.word_places for each in known], starts)
    needed = bits_needed(int(np.count_nonzero(~shapes.again))) if bits is None else bits
    return _Index(tuple(files), starts, rows, shapes, words, needed * UNIT)


def _table(hashes: list[Codes], places: list[Codes], starts: Places) -> _Table:
    """Sort fingerprints of all files. The table of tags has 8 places or more for each."""
    joined = np.concatenate(hashes)
    order = np.argsort(joined, kind="stable")
    where = np.concatenate([each + np.uint32(start) for each, start in zip(places, starts.tolist(), strict=False)])
    bits = min(max(int(joined.size).bit_length() + 3, 12), 24)
    shift = np.uint32(32 - bits)
    tags = np.zeros(1 << bits, np.uint8)
    tag, slot = _tag(joined), joined >> shift
    tags[slot] = tag
    tags[slot[tags[slot] != tag]] = _ANY  # two in one place
    sorted_hashes = joined[order]
    again = np.append(sorted_hashes[1:] == sorted_hashes[:-1], False)[: joined.size]
    return _Table(sorted_hashes, where[order], again, tags, shift)


def _tag(hashes: Codes) -> Small:
    tags: Small = hashes.astype(np.uint8) | np.uint8(1)
    return tags


def _candidates(table: _Table, hashes: Codes) -> tuple[Places, Places]:
    """Where to look: rows in the text, rows in the index."""
    tags = table.tags.take((hashes >> table.shift).astype(np.intp))
    rows = ((tags == _tag(hashes)) | (tags == _ANY)).nonzero()[0]
    if not rows.size:
        return rows, rows
    wanted = hashes.take(rows)
    at = table.hashes.searchsorted(wanted)
    same = (table.hashes.take(at, mode="clip") == wanted).nonzero()[0]
    found = [(rows.take(same), at.take(same))]
    while len(found) < _PLACES:  # equal ones stand beside each other
        rows, at = found[-1]
        again = table.again.take(at).nonzero()[0]
        if not again.size:
            break
        found.append((rows.take(again), at.take(again) + 1))
    rows, at = (np.concatenate(each) for each in zip(*found, strict=True))
    return rows, table.places.take(at).astype(np.int64)


def _long_enough(index: _Index, text: _Text, rows: Places, places: Places) -> Places:
    """Give those candidates of shapes around which as many tokens agree, but for names, as a run has.

    Of `_NEAR` tokens on both sides together, half stand on one: the first look leaves out no run. Tokens beyond an end,
    or in another file, may seem to agree: the look at the run itself knows the ends.
    """
    shapes = nameless(text.shape.digest)

    def agreement(chosen: Places, offsets: Places) -> Flags:
        mine = shapes.take(rows[chosen, None] + offsets, mode="clip")
        equal: Flags = mine == nameless(index.rows.shape.take(places[chosen, None] + offsets))
        return equal

    nearest = agreement(np.arange(rows.size), _NEAREST)
    half = _NEAREST.size // 2
    chosen = np.flatnonzero(nearest[:, :half].all(axis=1) | nearest[:, half:].all(axis=1))
    if not chosen.size:
        return chosen
    sides = [np.logical_and.accumulate(agreement(chosen, side), axis=1).sum(axis=1) for side in (_BEHIND, _BEFORE)]
    return chosen.compress(sides[0] + sides[1] >= _NEAR)


def _runs(index: _Index, text: _Text, idioms: Idioms) -> Iterator[_Run]:
    """Compare token by token at every candidate; give runs that are long and peculiar enough."""
    rows, places = _candidates(index.shapes, grams(text.shape.codes, SHAPE))
    if rows.size:
        near = _long_enough(index, text, rows, places)
        yield from _judged(
            index, rows[near], places[near], lambda row, place: _by_shape(index, text, row, place, idioms)
        )
    rows, places = _candidates(index.words, grams(text.tokens.exact, EXACT))
    yield from _judged(index, rows, places, lambda row, place: _by_words(index, text, row, place, idioms))


def _judged(
    index: _Index, rows: Places, places: Places, judge: Callable[[int, int], tuple[int, int, bool]]
) -> Iterator[_Run]:
    """Judge candidates by row. `judge` gives the rows that agree with the index, and whether they are a run."""
    if not rows.size:
        return
    compared: dict[int, int] = {}
    refused: collections.Counter[int] = collections.Counter()
    done = 0
    order = np.argsort(rows, kind="stable")
    for row, place in zip(rows[order].tolist(), places[order].tolist(), strict=True):
        if row < done or row < compared.get(place - row, 0) or refused[place] > _PATIENCE:
            continue
        start, end, is_run = judge(row, place)
        compared[place - row] = end
        if is_run:
            done = end
            yield _Run(start, end, index.names[_file(index, place)])
        else:
            refused[place] += 1


def _file(index: _Index, place: int) -> int:
    return int(index.starts.searchsorted(place, side="right")) - 1


def _beside(index: _Index, text: _Text, row: int, place: int, reach: int | None = None) -> tuple[slice, slice]:
    """Give the rows around `row`, and those of the file around `place`, that may be compared: `reach` on each side."""
    low, high = text.bounds(row)
    file = _file(index, place)
    before = min(row - low, place - int(index.starts[file]))
    behind = min(high - row, int(index.starts[file + 1]) - _APART - place)
    if reach is not None:
        before, behind = min(before, reach), min(behind, reach)
    return slice(row - before, row + behind), slice(place - before, place + behind)


def _by_shape(index: _Index, text: _Text, row: int, place: int, idioms: Idioms) -> tuple[int, int, bool]:
    """Compare shapes; the run is what surrounds the stretches that prove enough."""
    here, there = _beside(index, text, row, place, _STEP)
    mine, theirs = nameless(text.shape.digest[here]), nameless(index.rows.shape[there])
    low, high = _agreeing(mine, theirs, row - here.start)
    first, last = here.start + low, here.start + high
    tokens, known = text.tokens.rows(first, last), index.rows.part(slice(there.start + low, there.start + high))
    same = text.exact[first:last] == known.exact
    proven = [
        (start, end)
        for start, end in consistent(links(tokens), known.links)
        if _proves_enough(tokens.rows(start, end), known.worth[start:end], same[start:end], index.needed, idioms)
    ]
    if not proven:
        return first, last, False
    here, there = _beside(index, text, row, place)
    start, end = first + proven[0][0] - here.start, first + proven[-1][1] - here.start
    mine, theirs = text.shape.digest[here], index.rows.shape[there]
    start -= _same(mine[:start][::-1], theirs[:start][::-1])
    end += _same(mine[end:], theirs[end:])
    return here.start + start, here.start + end, True


def _proves_enough(tokens: Tokens, known: Small, same: Flags, needed: int, idioms: Idioms) -> bool:
    """Tell whether other code would hardly have these shapes, and such names at the same places.

    `known`: what each token is worth, and which are rare names. `same`: which are the known file's also by their names.
    `needed`: in `UNIT`. A sum is cheaper than a look at what repeats itself. A third of the proof at least are shapes:
    who uses the same library has names in common.
    """
    worth = known & ~RARE
    least = needed // 3
    if worth.size < SHORTEST or int(worth.sum(dtype=np.int64)) - SHORTEST * DRIFT < least:
        return False
    proof = evidence(worth, repeated(tokens), SHORTEST, DRIFT)
    if least <= proof < needed:
        proof += _kept(tokens, known >= RARE, same, idioms)
    return proof >= needed


def _kept(tokens: Tokens, rare: Flags, same: Flags, idioms: Idioms) -> int:
    """Give what names that are the `same` prove: those that are rare, and wordings that are nobody's idiom."""
    names = np.unique(tokens.exact[same & rare]).size
    own = idioms.own_wordings(tokens)
    whole = (sums(same, WORDING) == WORDING) & (sums(tokens.names, WORDING) > 0)
    wordings = np.unique(own[whole & (own != 0)]).size
    return names * _KEPT_NAME + max(wordings - _EVERYBODYS, 0) * _KEPT_WORDS


def _by_words(index: _Index, text: _Text, row: int, place: int, idioms: Idioms) -> tuple[int, int, bool]:
    """Compare words."""
    here, there = _beside(index, text, row, place)
    start, end = _agreeing(text.exact[here], index.rows.exact[there], row - here.start)
    first, last = here.start + start, here.start + end
    if end - start < _SHORTEST_WORDS:
        return first, last, False
    own = idioms.own_wordings(text.tokens.rows(first, min(last, first + 2 * _STEP)))
    return first, last, np.unique(own[own != 0]).size >= _ENOUGH_WORDINGS


def _agreeing(one: Small, other: Small, row: int) -> tuple[int, int]:
    """Give the rows around `row` that agree."""
    return row - _same(one[:row][::-1], other[:row][::-1]), row + _same(one[row:], other[row:])


def _same(one: Small, other: Small) -> int:
    """How many bytes two rows of one length have in common from the start."""
    for start in range(0, one.size, _STEP):
        differ = one[start : start + _STEP] != other[start : start + _STEP]
        first = int(differ.argmax())
        if differ[first]:
            return start + first
    return one.size


def _blocks(data: bytes) -> Iterator[tuple[int, int]]:
    """Pieces that overlap; each begins at a blank, or at least not within an escape."""
    start = 0
    while True:
        yield start, min(start + _BLOCK + _OVERLAP, len(data))
        if start + _BLOCK + _OVERLAP >= len(data):
            return
        edge = start + _BLOCK
        blank = data.rfind(b" ", edge - _OVERLAP, edge)
        escape = data.rfind(b"\\", edge - 16, edge)
        start = blank if blank > 0 else escape if escape > 0 else edge


def _places(tokens: Tokens, run: _Run) -> Iterator[tuple[int, int]]:
    """Give the bytes of a run, without what is too long to be a comment of its."""
    starts, ends = tokens.starts[run.start : run.end], tokens.ends[run.start : run.end]
    cuts = np.flatnonzero(starts[1:] - ends[:-1] > _WIDEST_GAP) + 1
    for first, last in itertools.pairwise((0, *cuts.tolist(), starts.size)):
        yield int(starts[first]), int(ends[last - 1])


def _merged(spans: list[_Span]) -> list[_Span]:
    merged: list[_Span] = []
    for span in sorted(spans):
        if merged and span.start < merged[-1].end:
            merged[-1] = merged[-1]._replace(end=max(span.end, merged[-1].end))
        else:
            merged.append(span)
    return merged


def _findings(data: bytes, spans: list[_Span]) -> Iterator[Finding]:
    """Make findings of spans; in a JSON document they are cut at the quotation marks that are its structure."""
    strings = Strings(data) if is_document(data) else None
    for span in spans:
        pieces = within_strings(data, strings, span.start, span.end) if strings else ((span.start, span.end),)
        for start, end in pieces:
            yield Finding(start, end, KIND, Confidence.CERTAIN, f"fingerprint:{span.name}", data[start:end])


def _before_escape(data: bytes, start: int) -> int:
    """Move the place of an escaped character to where its escape begins."""
    written = _ESCAPE.match(data, max(start - 5, 0))
    if written and written.end() == start + 1:
        start -= 5
    while start and data[start - 1] == 0x5C:
        start -= 1
    return start
