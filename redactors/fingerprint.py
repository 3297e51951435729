"""Denied code, recognised on its way out: whatever way it came, and though somebody changed its names and comments.

Winnowed fingerprints of tokens (Schleimer, Wilkerson, Aiken, "Winnowing", SIGMOD 2003), of two kinds: of *shapes*, in
which names are abstracted, and of the *exact* words. What `find` promises:
1. A run of 40 tokens of a known file is found after re-indentation, changes of comments, JSON escapes, other quotation
   marks, line numbers, a diff's signs; and after renaming, if the run has enough structure of its own.
2. Chance is not a finding: a fingerprint only says where to look. There the run is compared token by token, and must
   hold enough that other code does not (`redactors.idioms`).
3. A span covers the whole run, with the comments in it. In a JSON document it stays within one string, and neither
   begins nor ends within an escape.
What would break it: rewriting the code. 39 tokens, or a table of small numbers with all names changed, are not found.

Takes 100 ms to import (numpy): whoever needs it imports it late.
"""

import collections
import hashlib
import itertools
import re
import struct
import threading
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from redactors.enclosure import is_document, within_strings
from redactors.finding import Confidence, Finding
from redactors.idioms import OUTLINE, WORDING, Idioms
from redactors.jsonbytes import Strings
from redactors.tokens import Codes, Flags, Places, Shape, Small, Tokens, grams, nameless, shape, tokenise
from redactors.winnowing import winnowed, worth

KIND = "DENIED-CODE"
SHORTEST = 36
"""Tokens of a run: some less than 40, because a cut may fall within a token, and tools count tokens differently."""

_SHAPE = 16  # tokens in a fingerprint of shapes; with the window, and names whose first use is cut off, 40 suffice
_SHAPE_WINDOW = 10
_EXACT = 8
_EXACT_WINDOW = 16
_OWN_OUTLINES, _OWN_WORDINGS = 2, 1  # a fingerprint with less that is no idiom would be found everywhere
_ENOUGH_OUTLINES, _ENOUGH_WORDINGS = 14, 12  # different ones that are no idioms: so many a run must hold
_BLOCK, _OVERLAP = 1 << 18, 1 << 13  # bytes: a block's arrays fit into the second cache
_PLACES = 4  # at most, of one fingerprint
_PATIENCE = 64  # comparisons in vain, in one block: a long table that resembles another would cost seconds
_STEP = 4096  # tokens compared at once
_UNKNOWN_NAMES = 16  # tokens at the start of a piece whose names may have been used before it
_WIDEST_GAP = 4096  # bytes between two tokens of a run; what is longer is no comment of its
_MAGIC = b"safe-agent fingerprints 1\n"  # another number whenever tokens, hashes or idioms change
_CHECK = 16
_SIZES = struct.Struct("<III")
_ESCAPE = re.compile(rb"u00[0-9a-fA-F]{2}")


class Prints(NamedTuple):
    """Fingerprints of one file. `shape` and `exact`: a byte for each token. Places are rows of tokens."""

    shape: Small
    exact: Small
    shapes: Codes
    shape_places: Codes
    words: Codes
    word_places: Codes

    @property
    def kept(self) -> int:
        """How many fingerprints."""
        return self.shapes.size + self.words.size


class _Table(NamedTuple):
    """Fingerprints of all files, sorted. `present` says of the upper bits of a hash whether one begins so."""

    hashes: Codes
    files: Codes
    places: Codes
    present: Flags
    shift: np.uint32


class _Index(NamedTuple):
    files: tuple[tuple[str, Prints], ...]
    shapes: _Table
    words: _Table


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


class Fingerprints:
    """Known files, and where runs of them stand in data. May be shared between threads.

    The first `find` after an `add` sorts all fingerprints anew (50 ms for 5 MB of code): add what comes together first.
    `idioms`: another set than the bundled one, to judge sets by.
    """

    def __init__(self, idioms: Idioms | None = None) -> None:
        self._idioms = idioms or Idioms.bundled()
        self._files: dict[str, Prints] = {}
        self._changing = threading.Lock()
        self._index: _Index | None = None

    def __len__(self) -> int:
        """How many fingerprints."""
        with self._changing:
            return sum(prints.kept for prints in self._files.values())

    def add(self, name: str, text: bytes) -> int:
        """Know a file from now on, in place of what `name` was before; how many fingerprints were kept.

        0: shorter than `SHORTEST` tokens, or nothing in it that other code does not have.
        """
        return self._put(name, fingerprints(text, self._idioms))

    def load(self, name: str, dumped: bytes) -> int:
        """Know a file by what `dump` gave for this content; `ValueError` if it is damaged or of another version."""
        return self._put(name, _unpacked(dumped))

    def dump(self, name: str) -> bytes:
        """Give a known file's fingerprints, to be cached under the hash of its content; `KeyError` if not known."""
        return _packed(self._files[name])

    def find(self, data: bytes) -> list[Finding]:
        """Find runs of known files: sorted, not overlapping, rule `fingerprint:<name>`."""
        if not self._files or len(data) < SHORTEST:
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
                files = tuple(self._files.items())
                shapes = _table([prints.shapes for _, prints in files], [prints.shape_places for _, prints in files])
                words = _table([prints.words for _, prints in files], [prints.word_places for _, prints in files])
                self._index = _Index(files, shapes, words)
            return self._index

    def _spans(self, index: _Index, block: bytes, offset: int) -> Iterator[_Span]:
        tokens = tokenise(block)
        if tokens.starts.size < SHORTEST:
            return
        text = _Text(tokens, shape(tokens), _digest(tokens.exact))
        for run in _runs(index, text, self._idioms):
            for start, end in _places(tokens, run):
                yield _Span(_before_escape(block, start) + offset, end + offset, run.name)


def fingerprints(text: bytes, idioms: Idioms) -> Prints:
    """Winnow a file: of each window the fingerprint with the most that is its own, of equals the smallest."""
    tokens = tokenise(text)
    code = tokens.rows(0, tokens.code)
    shaped = shape(code)
    outlines = worth(idioms.own_outlines(code), _SHAPE - OUTLINE + 1)
    wordings = worth(idioms.own_wordings(code), _EXACT - WORDING + 1)
    shapes = _kept(grams(shaped.codes, _SHAPE), outlines, _SHAPE_WINDOW, _OWN_OUTLINES)
    words = _kept(grams(code.exact, _EXACT), wordings, _EXACT_WINDOW, _OWN_WORDINGS)
    return Prints(shaped.digest, _digest(code.exact), *shapes, *words)


def _kept(hashes: Codes, worths: Places, window: int, least: int) -> tuple[Codes, Codes]:
    rows = winnowed(hashes, worths, window, least)
    return hashes[rows], rows.astype(np.uint32)


def _digest(codes: Codes) -> Small:
    return (codes >> np.uint32(8)).astype(np.uint8)


def _table(hashes: list[Codes], places: list[Codes]) -> _Table:
    """Sort fingerprints of all files. The table of their upper bits has 16 places for each: one look-up in 16 errs."""
    files = np.repeat(np.arange(len(hashes), dtype=np.uint32), [each.size for each in hashes])
    joined = np.concatenate(hashes)
    order = np.argsort(joined, kind="stable")
    bits = min(max(int(joined.size).bit_length() + 4, 12), 24)
    shift = np.uint32(32 - bits)
    present = np.zeros(1 << bits, np.bool_)
    present[joined >> shift] = True
    return _Table(joined[order], files[order], np.concatenate(places)[order], present, shift)


def _candidates(table: _Table, hashes: Codes) -> Iterator[tuple[int, int, int]]:
    """Where to look: row in the text, file, row in the file; by row in the text."""
    rows = np.flatnonzero(table.present[hashes >> table.shift])
    if not rows.size:
        return
    wanted = hashes[rows]
    at = np.searchsorted(table.hashes, wanted)
    found: list[Places] = []
    for more in range(_PLACES):
        place = np.minimum(at + more, table.hashes.size - 1)
        same = np.flatnonzero(table.hashes[place] == wanted)
        if not same.size:
            break
        hit = place[same]
        found.append(np.stack((rows[same], table.files[hit], table.places[hit]), axis=1, dtype=np.int64))
    if not found:
        return
    candidates = np.concatenate(found)
    for row, file, place in candidates[np.argsort(candidates[:, 0], kind="stable")].tolist():
        yield row, file, place


def _runs(index: _Index, text: _Text, idioms: Idioms) -> Iterator[_Run]:
    """Compare token by token at every candidate; give runs that are long and peculiar enough."""
    kinds = (
        (index.shapes, grams(text.shape.codes, _SHAPE), True),
        (index.words, grams(text.tokens.exact, _EXACT), False),
    )
    for table, hashes, shapes in kinds:
        compared: dict[tuple[int, int], int] = {}
        refused: collections.Counter[tuple[int, int]] = collections.Counter()
        done = 0
        for row, file, place in _candidates(table, hashes):
            if row < max(done, compared.get((file, place - row), 0)) or refused[file, place] > _PATIENCE:
                continue
            name, prints = index.files[file]
            start, end = _agreement(text, row, prints, place, shapes=shapes)
            compared[file, place - row] = end
            run = text.tokens.rows(start, min(end, start + _STEP))
            if end - start >= SHORTEST and _is_own(run, idioms, shapes=shapes):
                done = end
                yield _Run(start, end, name)
            else:
                refused[file, place] += 1


def _agreement(text: _Text, row: int, prints: Prints, place: int, *, shapes: bool) -> tuple[int, int]:
    """Give the rows around `row` that agree with the file around `place`."""
    mine, theirs = (text.shape.digest, prints.shape) if shapes else (text.exact, prints.exact)
    low, high = (0, text.tokens.code) if row < text.tokens.code else (text.tokens.code + 1, mine.size)
    end = row + _same(mine[row:high], theirs[place:])
    start = row - _same(mine[low:row][::-1], theirs[:place][::-1])
    if shapes:  # the first names of a piece have lost what stood before them
        before, other = text.shape.digest[low:start][::-1], prints.shape[: start + place - row][::-1]
        start -= _same(nameless(before[:_UNKNOWN_NAMES]), nameless(other[:_UNKNOWN_NAMES]))
    return start, end


def _same(one: Small, other: Small) -> int:
    """How many bytes two rows have in common from the start."""
    size = min(one.size, other.size)
    for start in range(0, size, _STEP):
        end = min(start + _STEP, size)
        differ = one[start:end] != other[start:end]
        first = int(differ.argmax())
        if differ[first]:
            return start + first
    return size


def _is_own(tokens: Tokens, idioms: Idioms, *, shapes: bool) -> bool:
    """Whether other code would hardly hold these tokens."""
    own = idioms.own_outlines(tokens) if shapes else idioms.own_wordings(tokens)
    return np.unique(own[own != 0]).size >= (_ENOUGH_OUTLINES if shapes else _ENOUGH_WORDINGS)


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


def _packed(prints: Prints) -> bytes:
    sizes = (prints.shape.size, prints.shapes.size, prints.words.size)
    body = _SIZES.pack(*sizes) + b"".join(column.tobytes() for column in prints)
    return _MAGIC + hashlib.sha256(body).digest()[:_CHECK] + body


def _unpacked(dumped: bytes) -> Prints:
    edge = len(_MAGIC) + _CHECK
    body = dumped[edge:]
    if not dumped.startswith(_MAGIC) or dumped[len(_MAGIC) : edge] != hashlib.sha256(body).digest()[:_CHECK]:
        raise ValueError("not fingerprints of this version, or damaged")
    if len(body) < _SIZES.size:
        raise ValueError("fingerprints are cut short")
    rows, shapes, words = _SIZES.unpack_from(body)
    if len(body) != _SIZES.size + 2 * rows + 8 * (shapes + words):
        raise ValueError("fingerprints have the wrong length")
    bytes_of = np.frombuffer(body, np.uint8, 2 * rows, _SIZES.size)
    codes = np.frombuffer(body, "<u4", 2 * (shapes + words), _SIZES.size + 2 * rows).astype(np.uint32)
    edges = (shapes, 2 * shapes, 2 * shapes + words)
    prints = Prints(bytes_of[:rows], bytes_of[rows:], *np.split(codes, edges))
    if any(places.size and int(places.max()) >= rows for places in (prints.shape_places, prints.word_places)):
        raise ValueError("a fingerprint lies outside its file")
    return prints
