"""From fingerprints that agree to runs of one emission in one text. Pure but for numpy.

Agreements of one emission stand on a *diagonal*: row in the text less place in the emission. Where somebody put a few
tokens in or took some out it moves a little, where they rewrote a line there is a gap, where lines were put between it
moves by as much. So: agreements on about the same diagonal, without a wide gap, are a piece; pieces of an emission that
follow one another in both are a run. A run counts by the tokens that its fingerprints cover.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from redactors.idioms import OUTLINE, WORDING, Idioms
from redactors.tokens import Places, Tokens
from wrapper.provenance.model import Codes
from wrapper.provenance.reading import SHAPE, WORDS

_MOST_KEY = 1 << 63
_EXACT = 3  # words cover a third or more of what was copied word for word: not all their fingerprints are kept


class Bounds(NamedTuple):
    """From when on a run is evidence. In tokens, but where it is said otherwise; found by `bench/provenance.py`.

    Either fingerprints of shapes cover `shapes`, of which `kinds` are different and which hold `outlines` that are no
    idioms; or they cover `long`, and `many` are different: what is everybody's seldom goes on for long without
    repeating itself, and tables repeat themselves. Or fingerprints of exact words cover `words`, and these hold
    `wordings` that are no idioms.
    """

    shapes: int = 40
    kinds: int = 9
    outlines: int = 20
    long: int = 48
    many: int = 12
    words: int = 26
    wordings: int = 16
    dense: float = 0.5  # share of a run that is covered
    drift: int = 12  # that the diagonal moves between neighbours of a piece
    gap: int = 48  # between agreements of a run
    worded: float = 0.2  # share of what is covered that are words: rules of tables are marks only


class Hits(NamedTuple):
    """Fingerprints that agree. text, emission: whose. row: in the block, place: in the emission. size: tokens."""

    text: Places
    emission: Places
    row: Places
    place: Places
    size: Places
    code: Codes

    def of(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_] | slice) -> "Hits":
        """Choose some."""
        text, emission, row, place, size, code = self
        return Hits(text[rows], emission[rows], row[rows], place[rows], size[rows], code[rows])


class Run(NamedTuple):
    """Rows of a block that agree with an emission. exact: mostly word for word. covered: so many of its tokens."""

    text: int
    emission: int
    start: int
    end: int
    exact: bool
    covered: int


class _Piece(NamedTuple):
    """Agreements that stand together. first, last: of its hits. start, end: rows. place, place_end: in the emission."""

    start: int
    end: int
    place: int
    place_end: int
    first: int
    last: int


def runs(hits: Hits, tokens: Tokens, idioms: Idioms, bounds: Bounds) -> Iterator[Run]:
    """Give the runs that are evidence. `tokens`: of the block.

    Where many emissions have the same text, as in a file that was written again and again, those that agree most are
    looked at first, and others that lie within a run of theirs not at all.
    """
    hits, cuts = _in_pieces(hits, bounds)
    found: dict[int, list[Run]] = {}
    for text, pieces in _by_emission(hits, cuts, bounds):
        known = found.setdefault(text, [])
        if _is_known(pieces, known):
            continue
        for chain in _linked(pieces, bounds):
            if _is_known(chain, known) or not _is_enough(chain, bounds):
                continue
            run = _judged(_of_pieces(hits, chain), tokens, idioms, bounds)
            if run is not None:
                known.append(run)
                yield run


def _is_known(pieces: list[_Piece], known: list[Run]) -> bool:
    """Whether a run that was found holds them all."""
    if not known:
        return False
    low, high = pieces[0].start, max(piece.end for piece in pieces)
    return any(run.start <= low and high <= run.end for run in known)


def _is_enough(pieces: list[_Piece], bounds: Bounds) -> bool:
    """Whether it is worth while to look closer: most pieces are two or three agreements of an idiom."""
    least = min(bounds.kinds, bounds.words // WORDS)
    covered = sum(piece.end - piece.start for piece in pieces)
    return sum(piece.last - piece.first for piece in pieces) >= least and covered >= min(bounds.shapes, bounds.words)


def _in_pieces(hits: Hits, bounds: Bounds) -> tuple[Hits, Places]:
    """Sort hits into pieces: where the diagonal jumps or agreements are far apart another begins; and where each does.

    What stands alone is left out: it is chance, or an idiom.
    """
    hits = hits.of(_order(hits.text, hits.emission, hits.row - hits.place))
    other = (np.diff(hits.text, prepend=-1) != 0) | (np.diff(hits.emission, prepend=-1) != 0)
    cluster = np.cumsum(other | (np.diff(hits.row - hits.place, prepend=0) > bounds.drift))
    order = _order(cluster, hits.row)
    hits, cluster = hits.of(order), cluster[order]
    far = np.diff(hits.row, prepend=0) > bounds.gap + SHAPE
    piece = np.cumsum(far | (np.diff(cluster, prepend=-1) != 0)) - 1
    together = np.bincount(piece)[piece] > 1
    hits, piece = hits.of(together), piece[together]
    return hits, np.append(np.flatnonzero(np.diff(piece, prepend=-1)), piece.size)


def _order(*columns: Places) -> Places:
    """Sort rows by several columns, the first one first; the order of equal rows is any.

    One number for all of a row, where they fit into one, is sorted many times faster than column after column.
    """
    if not columns[0].size:
        return np.zeros(0, np.int64)
    key, most = np.zeros(columns[0].size, np.int64), 1
    for column in columns:
        low = int(column.min())
        span = int(column.max()) - low + 1
        most *= span
        if most >= _MOST_KEY:
            return np.lexsort(columns[::-1])
        key = key * span + (column - low)
    return np.argsort(key)


def _by_emission(hits: Hits, cuts: Places, bounds: Bounds) -> Iterator[tuple[int, list[_Piece]]]:
    """Give the pieces of every emission in every text that has enough of it, those with most agreements first."""
    at = cuts[:-1]
    if not at.size:
        return
    pair = hits.text[at] << 32 | hits.emission[at]
    _, which = np.unique(pair, return_inverse=True)
    shaped = np.add.reduceat((hits.size == SHAPE).astype(np.int64), at)
    shapes, words = (np.bincount(which, weights=counts) for counts in (shaped, np.diff(cuts) - shaped))
    enough = (shapes >= bounds.kinds) | (words * WORDS >= bounds.words)
    start, place = hits.row[at], np.minimum.reduceat(hits.place, at)
    end, place_end = (np.maximum.reduceat(column + hits.size, at) for column in (hits.row, hits.place))
    kept = np.flatnonzero(enough[which])
    kept = kept[np.lexsort((start[kept], which[kept], -(shapes + words)[which[kept]]))]
    columns = (column[kept].tolist() for column in (start, end, place, place_end, at, cuts[1:]))
    pieces = list(itertools.starmap(_Piece, zip(*columns, strict=True)))
    borders = np.flatnonzero(np.diff(which[kept], prepend=-1, append=-1)).tolist()
    for first, last in itertools.pairwise(borders):
        yield int(hits.text[pieces[first].first]), pieces[first:last]


def _of_pieces(hits: Hits, pieces: list[_Piece]) -> Hits:
    if len(pieces) == 1:
        return hits.of(slice(pieces[0].first, pieces[0].last))
    return hits.of(np.concatenate([np.arange(piece.first, piece.last) for piece in pieces]))


def _linked(pieces: list[_Piece], bounds: Bounds) -> list[list[_Piece]]:
    """Join pieces that follow one another in the text and in the emission."""
    chains: list[list[_Piece]] = []
    for piece in pieces:
        for chain in reversed(chains[-8:]):
            before = chain[-1]
            inserted, left_out = piece.start - before.end, piece.place - before.place_end
            if -SHAPE <= inserted <= bounds.gap and -SHAPE <= left_out <= bounds.gap:
                chain.append(piece)
                break
        else:
            chains.append([piece])
    return chains


def _judged(hits: Hits, tokens: Tokens, idioms: Idioms, bounds: Bounds) -> Run | None:
    shaped = hits.size == SHAPE
    kinds = len(set(hits.code[shaped].tolist()))  # few: quicker than an array's
    if kinds < bounds.kinds and np.count_nonzero(~shaped) * WORDS < bounds.words:
        return None
    start, end = int(hits.row.min()), int((hits.row + hits.size).max())
    shapes = _covered(hits.row[shaped] - start, SHAPE, end - start)
    words = _covered(hits.row[~shaped] - start, WORDS, end - start)
    covered = int(np.count_nonzero(shapes | words))
    if covered < bounds.dense * (end - start):
        return None
    own = tokens.rows(start, end)
    if np.count_nonzero((shapes | words) & own.worded) < bounds.worded * covered:
        return None
    by_shape = _by_shape(own, shapes, kinds, idioms, bounds)
    exact = int(np.count_nonzero(words))
    if not by_shape and (exact < bounds.words or _own(idioms.own_wordings(own), words, WORDING) < bounds.wordings):
        return None
    return Run(int(hits.text[0]), int(hits.emission[0]), start, end, exact * _EXACT >= covered, covered)


def _by_shape(own: Tokens, shapes: npt.NDArray[np.bool_], kinds: int, idioms: Idioms, bounds: Bounds) -> bool:
    held = int(np.count_nonzero(shapes))
    if held >= bounds.long and kinds >= bounds.many:
        return True
    is_enough = held >= bounds.shapes and kinds >= bounds.kinds
    return is_enough and _own(idioms.own_outlines(own), shapes, OUTLINE) >= bounds.outlines


def _covered(at: Places, size: int, count: int) -> npt.NDArray[np.bool_]:
    """Say of each of so many rows whether a fingerprint covers it; `at`: the first row of each."""
    steps = np.bincount(at, minlength=count + 1) - np.bincount(at + size, minlength=count + 1)
    return np.cumsum(steps)[:-1] > 0


def _own(own: "npt.NDArray[np.uint32]", covered: npt.NDArray[np.bool_], size: int) -> int:
    """Count different neighbourhoods of `size` tokens that are no idioms and are covered whole."""
    counts = np.concatenate(([0], np.cumsum(covered)))
    whole = counts[size:] - counts[:-size] == size if counts.size > size else np.zeros(0, np.bool_)
    return int(np.unique(own[(own != 0) & whole[: own.size]]).size)
