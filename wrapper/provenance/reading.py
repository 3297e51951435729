"""Texts read together: their tokens in one array, and the fingerprints of both kinds at every row. Pure but for numpy.

Rules:
1. A text gives the same tokens and shapes alone and among others: behind each stands `_BETWEEN`, which ends a comment
   that the text left open, and whose names keep those of one text from those of the next, in code and in comments. Its
   own tokens belong to nobody.
2. First comes the code of all texts, then what stands in comments of all (`redactors.tokens`): so a text has two runs
   of rows. A place in an emission counts through both.
3. Fingerprints are 64 bits wide. A corpus of 10 TB has some 2.5·10^12 tokens; against 12 million fingerprints of a kind
   that is 3·10^19 comparisons, with 64 bits 1.6 agreements by chance in all of the corpus. A span needs several that
   agree in emission and place, which chance does not give. With 32 bits each seventh megabyte would agree.
"""

import functools
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from redactors.idioms import OUTLINE, WORDING, Idioms
from redactors.tokens import Codes as TokenCodes
from redactors.tokens import Flags, Places, Tokens, shape, tokenise, wide_grams
from redactors.winnowing import winnowed, worth
from wrapper.provenance.keyed import Domain, Keyed
from wrapper.provenance.licences import NOTICES
from wrapper.provenance.model import Codes

SHAPE: Final = 16
"""Tokens in a fingerprint of shapes."""
WORDS: Final = 8
"""Tokens in a fingerprint of exact words."""

_SHAPE_WINDOW: Final = 10
_WORDS_WINDOW: Final = 10
_LEAST_OUTLINES: Final = 1  # also idioms are kept: of a run it is judged what it holds, and the baseline has most
_LEAST_WORDINGS: Final = 1
_SAID: Final = 3  # tokens of a shape that are no names: prose is nothing but names, and all prose alike
_SOMEBODYS_NAMES: Final = b"""
default namespace package function func struct union interface define export mod use go delete new
"""
_LOW: Final = np.uint64(0xFFFF)
_NOBODYS: Final = b"qzjxw1 qzjxw2 qzjxw3 qzjxw4 qzjxw5 qzjxw6"  # as many names as a shape looks back for
_BETWEEN: Final = b"\n*/\n" + _NOBODYS + b" // " + _NOBODYS + b"\n"
_ESCAPE: Final = re.compile(rb"u00[0-9a-fA-F]{2}")


class Grams(NamedTuple):
    """Fingerprints of one kind at every row; row i is of the tokens from i on. hashes: not keyed yet."""

    hashes: Codes
    codes: Codes
    size: int


class Block(NamedTuple):
    """Texts and their tokens. begins: where each text begins in `data`, and at last where the last one's end is."""

    data: bytes
    begins: Places
    tokens: Tokens

    @property
    def owners(self) -> Places:
        """Which text each row belongs to; -1: to none."""
        at = np.searchsorted(self.begins, self.tokens.starts, "right") - 1
        outside = self.tokens.starts >= self.begins[at + 1] - len(_BETWEEN)
        if self.tokens.code < at.size:
            outside[self.tokens.code] = True
        return np.where(outside, -1, at)

    def owner_of(self, rows: Places, size: int) -> Places:
        """Which text the fingerprints of `size` tokens from these rows on belong to; -1: not to one alone."""
        starts, code = self.tokens.starts, self.tokens.code
        at = np.searchsorted(self.begins, starts[rows], "right") - 1
        inside = starts[rows + size - 1] < self.begins[at + 1] - len(_BETWEEN)
        inside &= (starts[rows + size - 1] >= starts[rows]) & ((rows + size <= code) | (rows > code))
        return np.where(inside, at, -1)

    def tokens_in(self, start: int, end: int) -> int:
        """Count the tokens that begin in a stretch of `data`."""
        parts = self.tokens.starts[: self.tokens.code], self.tokens.starts[self.tokens.code + 1 :]
        return sum(int(np.searchsorted(part, end) - np.searchsorted(part, start)) for part in parts)

    def before_escape(self, start: int) -> int:
        """Move the place of an escaped character to where its escape begins."""
        written = _ESCAPE.match(self.data, max(start - 5, 0))
        if written and written.end() == start + 1:
            start -= 5
        while start and self.data[start - 1] == 0x5C:
            start -= 1
        return start

    def runs(self) -> Places:
        """Where the rows of each text are: columns start and end of its code, start and end of its comments."""
        borders = np.stack((self.begins[:-1], self.begins[1:] - len(_BETWEEN)), axis=1)
        code = self.tokens.code
        first = np.searchsorted(self.tokens.starts[:code], borders)
        behind = min(code + 1, self.tokens.starts.size)
        return np.concatenate((first, behind + np.searchsorted(self.tokens.starts[behind:], borders)), axis=1)


def read(texts: Sequence[bytes]) -> Block:
    """Read texts as tokens: some 20 bytes of memory for each byte of them."""
    data = b"".join(part for text in texts for part in (text, _BETWEEN))
    sizes = [0, *(len(text) + len(_BETWEEN) for text in texts)]
    return Block(data, np.cumsum(sizes), tokenise(data))


def shapes(block: Block, keyed: Keyed) -> Grams:
    """Give the fingerprints of shapes, of what stands in comments too: code may have been commented out."""
    hashes = wide_grams(shape(_with_names(block.tokens)).codes, SHAPE)
    return Grams(hashes, keyed.codes(hashes, Domain.SHAPES), SHAPE)


def words(block: Block, keyed: Keyed) -> Grams:
    """Give the fingerprints of exact words, of code and comments."""
    hashes = wide_grams(block.tokens.exact, WORDS)
    return Grams(hashes, keyed.codes(hashes, Domain.WORDS), WORDS)


def worth_of_shapes(tokens: Tokens, idioms: Idioms) -> Places:
    """Say how much of each fingerprint of shapes is no idiom, and one more; 0 where it says nothing."""
    worths = worth(idioms.own_outlines(tokens), SHAPE - OUTLINE + 1) + 1
    said = np.concatenate(([0], np.cumsum(~tokens.names)))
    worths[said[SHAPE:] - said[:-SHAPE] < _SAID] = 0
    return worths


def worth_of_words(tokens: Tokens, idioms: Idioms) -> Places:
    """Say how much of each fingerprint of words is no idiom."""
    return worth(idioms.own_wordings(tokens), WORDS - WORDING + 1)


def kept_shapes(codes: Codes, worths: Places) -> Places:
    """Give the rows of fingerprints of shapes that an index keeps."""
    return winnowed(_ranks(codes), worths, _SHAPE_WINDOW, _LEAST_OUTLINES)


def kept_words(codes: Codes, worths: Places) -> Places:
    """Give the rows of fingerprints of words that an index keeps."""
    return winnowed(_ranks(codes), worths, _WORDS_WINDOW, _LEAST_WORDINGS)


def _with_names(tokens: Tokens) -> Tokens:
    """Take for names what is a keyword in one language and a name in another: renaming it there must not hide it."""
    exact = tokens.exact.copy()
    rows = np.flatnonzero(_AMBIGUOUS[exact >> np.uint32(12)])
    exact[rows] = (exact[rows] & ~np.uint32(3)) | np.uint32(2)
    return tokens._replace(exact=exact)


def are_notices(hashes: Codes) -> Places:
    """Give the rows of unkeyed fingerprints of words that stand in the usual licence notices."""
    known = _notices()
    rows = np.flatnonzero(known.seems[(hashes & _LOW).astype(np.int64)])
    return rows[np.isin(hashes[rows], known.hashes)]


class _Notices(NamedTuple):
    hashes: Codes
    seems: Flags  # by the low bits of a hash


@functools.cache
def _notices() -> _Notices:
    texts = [text.encode() for text in NOTICES]
    starred = [text.replace(b"\n", b"\n * ") for text in texts]
    parts = [wide_grams(tokenise(text).exact, WORDS) for text in (*texts, *starred)]
    hashes = np.unique(np.concatenate(parts))
    seems = np.zeros(int(_LOW) + 1, np.bool_)
    seems[(hashes & _LOW).astype(np.int64)] = True
    return _Notices(hashes, seems)


def _ranks(codes: Codes) -> TokenCodes:
    return (codes >> np.uint64(32)).astype(np.uint32)


def _ambiguous() -> Flags:
    table = np.zeros(1 << 20, np.bool_)
    table[tokenise(_SOMEBODYS_NAMES).exact >> np.uint32(12)] = True
    return table


_AMBIGUOUS: Final = _ambiguous()
