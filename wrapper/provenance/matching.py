"""Where text of an index stands in other text.

What `Matcher` promises:
1. A run of an emission is found in a document whatever it is embedded in (prose, JSON strings, code fences), after
   re-indentation, other quotation marks and line ends, changed comments; after renaming, if it has enough structure.
2. One fingerprint proves nothing. A span needs several of one emission, in its order, that cover enough tokens and
   hold enough that is no idiom (`redactors.idioms`); what the baseline has does not count.
3. Documents give the same spans alone and in a batch.
What would break it: rewriting the code; runs shorter than `Bounds` says.

Documents are read in blocks of many. Of each block all fingerprints are made and asked for in the filter; only where
one is there does anything happen for a single document.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from redactors.tokens import Places
from wrapper.provenance import presence, reading
from wrapper.provenance.baselines import Baseline
from wrapper.provenance.evidence import Bounds, Hits, Run, runs
from wrapper.provenance.keyed import Domain, Keyed
from wrapper.provenance.linecodes import likeness
from wrapper.provenance.model import Codes, Flag
from wrapper.provenance.pack import Pack, Table
from wrapper.provenance.prints import blob_hash, digest_hash, idioms, normalised_codes, printed
from wrapper.provenance.reading import Block, Grams

__all__ = ("MOST", "Bounds", "Found", "LineMatches", "Matcher", "Span", "likeness")

MOST: Final = 16
"""Rows of the index that are looked at for one code."""
_BLOCK: Final = 1 << 18  # bytes of documents read at once: a block's arrays fit into the second cache
_OVERLAP: Final = 1 << 13  # bytes that pieces of a long document have in common
_LEAST_LEFT: Final = 16  # tokens of a run of which a longer one of another emission took the rest
_LEAST_WHOLE: Final = 20  # tokens: `{}` or an empty module is everybody's


class Span(NamedTuple):
    """A run of one emission in a document. start, end: bytes. exact: the same words, not only the same shape.

    tokens: how many of the document's tokens it covers.
    """

    start: int
    end: int
    emission: int
    exact: bool
    tokens: int


class Found(NamedTuple):
    """What was found of one document.

    whole: the emission whose content it is, -1: of none. stage: by what: "blob" (byte for byte), "normalised" (token
    for token), "spans" or "clean". spans: sorted, not overlapping; where `whole` is an emission, one of all the
    document. tokens: the document's.
    """

    whole: int
    stage: str
    spans: list[Span]
    tokens: int


class LineMatches(NamedTuple):
    """Lines of a text, and rows of the index that are alike. A row of the first six is a pair; sorted by line.

    line: of the text. emission, number, flags, sketch: of the index's row. exact: by the line's code, else by its shape
    (names may differ; `sketch` against `sketches[line]` says how much: see `likeness`). Trivial lines of the text have
    no pairs: compare `codes` with `Pack.lines` beside a line that has. A line has at most `MOST` pairs of each sort.

    codes, shapes, sketches, trivial: of each line of the text. old: its code is in the baseline.
    """

    line: Places
    emission: npt.NDArray[np.uint32]
    number: npt.NDArray[np.uint32]
    flags: npt.NDArray[np.uint8]
    exact: npt.NDArray[np.bool_]
    sketch: Codes
    codes: Codes
    shapes: Codes
    sketches: Codes
    trivial: npt.NDArray[np.bool_]
    old: npt.NDArray[np.bool_]


class Matcher:
    """Finds text of a pack in documents. Not to be shared between threads; cheap to make of a mapped pack."""

    def __init__(
        self, pack: Pack, keyed: Keyed, *, baseline: Baseline | None = None, bounds: Bounds | None = None
    ) -> None:
        self.pack = pack
        self._keyed = keyed
        self._baseline = baseline
        self._bounds = bounds or Bounds()
        self._idioms = idioms()
        self._present = pack.present()

    def find(self, texts: Sequence[bytes], digests: Sequence[bytes] = ()) -> list[Found]:
        """Judge each text: as a whole first, then by spans. One pass over the text does all.

        `digests`: the SHA-256 of each text, where the caller has them already.
        """
        found: list[Found | None] = [None] * len(texts)
        blobs = self._by_blob([digest_hash(digest) for digest in digests] or [blob_hash(text) for text in texts])
        for number in np.flatnonzero(blobs >= 0).tolist():
            tokens = _tokens_of(reading.read((texts[number],)))
            found[number] = _as_whole(int(blobs[number]), "blob", texts[number], int(tokens[0]))
        left = [number for number, one in enumerate(found) if one is None]
        for numbers in _batches(texts, left):
            for number, one in zip(numbers, self._judged([texts[number] for number in numbers]), strict=True):
                found[number] = one
        return [one for one in found if one is not None]

    def spans(self, texts: Sequence[bytes]) -> list[list[Span]]:
        """Find runs of emissions in each text; sorted, not overlapping."""
        found: list[list[Span]] = [[] for _ in texts]
        for numbers in _batches(texts, list(range(len(texts)))):
            for number, (spans, _) in zip(numbers, self._searched([texts[number] for number in numbers]), strict=True):
                found[number] = spans
        return found

    def tokens(self, texts: Sequence[bytes]) -> list[int]:
        """Count each text's tokens: what a share of covered tokens is measured by."""
        return [int(_tokens_of(reading.read((text,)))[0]) for text in texts]

    def whole(self, texts: Sequence[bytes]) -> list[int]:
        """Give the emission whose content each text is, byte for byte or token for token; -1: none."""
        return [one.whole for one in self.find(texts)]

    def lines(self, text: bytes) -> LineMatches:
        """Look up each line of a text."""
        rows = printed(text, self._keyed).lines
        telling = np.flatnonzero(rows["flags"] & Flag.TRIVIAL == 0)
        pairs = []
        for name, table, exact in (("code", self.pack.line, True), ("shape", self.pack.line_shape, False)):
            which, of = table.find(rows[name][telling], MOST)
            pairs.append((telling[which], of, np.full(which.size, exact)))
        line, of, exact_of = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        order = np.lexsort((of, ~exact_of, line))
        alike = self.pack.lines_of(of[order].astype(np.int64))
        old = self._is_old(rows["code"])
        columns = (alike["emission"], alike["number"], alike["flags"], exact_of[order], alike["sketch"])
        trivial = rows["flags"] & Flag.TRIVIAL != 0
        return LineMatches(line[order], *columns, rows["code"], rows["shape"], rows["sketch"], trivial, old)

    def _by_blob(self, hashes: Sequence[Codes]) -> Places:
        """Give the emission of each content that is there byte for byte."""
        codes = self._keyed.codes(np.concatenate(hashes), Domain.BLOB) if hashes else np.zeros(0, np.uint64)
        return self._by_code(codes)

    def _by_code(self, codes: Codes) -> Places:
        emissions = np.full(codes.size, -1, np.int64)
        which, of = self.pack.blob.find(codes, 1)
        emissions[which] = of["emission"]
        return emissions

    def _judged(self, texts: list[bytes]) -> Iterator[Found]:
        searched = self._searched(texts, whole=True)
        for text, (spans, told) in zip(texts, searched, strict=True):
            if told.whole >= 0:
                yield _as_whole(told.whole, "normalised", text, told.tokens)
            else:
                yield Found(-1, "spans" if spans else "clean", spans, told.tokens)

    def _searched(self, texts: list[bytes], *, whole: bool = False) -> Iterator[tuple[list[Span], "_Told"]]:
        """Search texts that are read together, or one long text piece by piece."""
        if len(texts) == 1 and len(texts[0]) > _BLOCK + _OVERLAP:
            yield self._in_pieces(texts[0])
            return
        block = reading.read(texts)
        shapes, words = reading.shapes(block, self._keyed), reading.words(block, self._keyed)
        emissions = np.full(len(texts), -1, np.int64)
        tokens = _tokens_of(block)
        if whole and len(self.pack.blob.codes):
            emissions = self._by_code(normalised_codes(block, words, self._keyed))
            emissions[tokens < _LEAST_WHOLE] = -1
        spans = self._spans(block, (shapes, words))
        for number in range(len(texts)):
            yield spans.get(number, []), _Told(int(emissions[number]), int(tokens[number]))

    def _in_pieces(self, text: bytes) -> tuple[list[Span], "_Told"]:
        """Search a long text; its tokens, and those of spans that go over a border, are about right."""
        spans: list[Span] = []
        count = 0
        for start, end, following in _pieces_of(text):
            block = reading.read((text[start:end],))
            own = block.tokens.starts < following - start
            count += int(np.count_nonzero(own & (block.owners == 0)))
            found = self._spans(block, (reading.shapes(block, self._keyed), reading.words(block, self._keyed)))
            spans += [one._replace(start=one.start + start, end=one.end + start) for one in found.get(0, [])]
        return _joined(spans), _Told(-1, count)

    def _spans(self, block: Block, kinds: tuple[Grams, Grams]) -> dict[int, list[Span]]:
        """Find the spans of each text of a block that has any."""
        shapes, words = kinds
        parts = [self._hits(block, shapes, self.pack.shape), self._hits(block, words, self.pack.word)]
        hits = Hits(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
        if not hits.row.size:
            return {}
        found: dict[int, list[Run]] = {}
        for run in runs(hits, block.tokens, self._idioms, self._bounds):
            found.setdefault(run.text, []).append(run)
        return {text: _placed(block, text, of_text) for text, of_text in found.items()}

    def _hits(self, block: Block, grams: Grams, table: Table) -> Hits:
        """Look fingerprints up; leave out what reaches over a text's end, and what the baseline has."""
        rows = presence.seems_in(self._present, grams.codes)
        rows = rows[~self._is_old(grams.codes[rows])]
        which, of = table.find(grams.codes[rows], MOST)
        row = rows[which]
        columns = (of["emission"].astype(np.int64), row, of["place"].astype(np.int64), np.full(row.size, grams.size))
        hits = Hits(block.owner_of(row, grams.size), *columns, grams.codes[row])
        return hits.of(hits.text >= 0)

    def _is_old(self, codes: Codes) -> npt.NDArray[np.bool_]:
        return np.zeros(codes.size, np.bool_) if self._baseline is None else self._baseline.contains(codes)


class _Told(NamedTuple):
    whole: int
    tokens: int


def _as_whole(emission: int, stage: str, text: bytes, tokens: int) -> Found:
    return Found(emission, stage, [Span(0, len(text), emission, stage == "blob", tokens)], tokens)


def _tokens_of(block: Block) -> Places:
    runs_of = block.runs()
    return runs_of[:, 1] - runs_of[:, 0] + runs_of[:, 3] - runs_of[:, 2]


def _batches(texts: Sequence[bytes], numbers: list[int]) -> Iterator[list[int]]:
    """Put texts together that are read at once: a block of them, or a long one alone."""
    batch: list[int] = []
    size = 0
    for number in numbers:
        if batch and size + len(texts[number]) > _BLOCK:
            yield batch
            batch, size = [], 0
        batch.append(number)
        size += len(texts[number])
    if batch:
        yield batch


def _pieces_of(text: bytes) -> Iterator[tuple[int, int, int]]:
    """Pieces that overlap, and where the next begins: at a line if there is one, else at a blank."""
    start = 0
    while True:
        end = start + _BLOCK + _OVERLAP
        if end >= len(text):
            yield start, len(text), len(text)
            return
        edge = start + _BLOCK
        found = max(text.rfind(b"\n", edge - _OVERLAP, edge), text.rfind(b"\\n", edge - _OVERLAP, edge))
        found = found if found > 0 else text.rfind(b" ", edge - _OVERLAP, edge)
        following = found if found > 0 else edge
        yield start, end, following
        start = following


def _placed(block: Block, text: int, found: list[Run]) -> list[Span]:
    """Turn runs of one text into spans of bytes that do not overlap: the longest first, of others what is left."""
    begin = int(block.begins[text])
    spans: list[Span] = []
    for run in sorted(found, key=lambda run: (-run.covered, run.emission, run.start)):
        start = block.before_escape(int(block.tokens.starts[run.start])) - begin
        end = int(block.tokens.ends[run.end - 1]) - begin
        span = Span(max(start, 0), end, run.emission, run.exact, run.covered)
        spans = _with(spans, span)
    return sorted(
        one._replace(tokens=min(one.tokens, block.tokens_in(one.start + begin, one.end + begin))) for one in spans
    )


def _with(spans: list[Span], span: Span) -> list[Span]:
    """Add a span: joined with those of its emission, cut by those of others, dropped where little would be left."""
    same = [one for one in spans if one.emission == span.emission and one.start < span.end and span.start < one.end]
    others = [one for one in spans if one not in same]
    for one in same:  # code and the comments in it: different rows, the same bytes
        start, end = min(one.start, span.start), max(one.end, span.end)
        longer = max(one, span, key=lambda each: each.tokens)
        span = longer._replace(start=start, end=end, tokens=one.tokens + span.tokens)
    left = [(span.start, span.end)]
    for one in others:
        left = [part for start, end in left for part in _cut(start, end, one)]
    size = span.end - span.start
    for start, end in left:
        tokens = round(span.tokens * (end - start) / size)
        if tokens >= _LEAST_LEFT or (start, end) == (span.start, span.end):
            others.append(span._replace(start=start, end=end, tokens=tokens))
    return others


def _cut(start: int, end: int, by: Span) -> list[tuple[int, int]]:
    if by.end <= start or end <= by.start:
        return [(start, end)]
    return [part for part in ((start, by.start), (by.end, end)) if part[0] < part[1]]


def _joined(spans: list[Span]) -> list[Span]:
    """Join spans of neighbouring pieces of a text."""
    joined: list[Span] = []
    for span in sorted(spans):
        last = joined[-1] if joined else None
        if last is None or span.start >= last.end:
            joined.append(span)
        elif span.end > last.end:
            start = span.start if span.emission == last.emission else last.end
            tokens = round(span.tokens * (span.end - last.end) / (span.end - span.start))
            if start == span.start:
                joined[-1] = last._replace(end=span.end, tokens=last.tokens + tokens, exact=last.exact and span.exact)
            else:
                joined.append(span._replace(start=start, tokens=tokens))
    return joined
