"""What is kept of a known file: a few bytes for each token, and winnowed fingerprints of shapes and of exact words.

Whoever has these can recognise pieces of the file and test guesses about it, but not read it: digests of tokens are a
byte, fingerprints are hashes of eight tokens and more. They stay where the file may be read, and outside the sandbox.
"""

import hashlib
import struct
from typing import NamedTuple

import numpy as np

from redactors.alignment import links
from redactors.idioms import WORDING, Idioms, neighbours
from redactors.surprisal import UNIT, Surprisal
from redactors.tokens import Codes, Flags, Places, Small, Tokens, grams, outline, shape, tokenise
from redactors.winnowing import fresh, sums, winnowed, worth

SHAPE, EXACT = 16, 8
"""Tokens in a fingerprint of each kind; with windows, and names whose first use is cut off, 40 suffice."""

_SHAPE_WINDOW = 4
_SHAPE_WORTH = 16 * UNIT  # less is found everywhere; of 40 tokens that prove enough some 16 hold a third, 19 bits
_PATTERN, _PERIOD = 3, 6  # tokens: what returns so soon goes on
_MOVES = 8  # tokens of a fingerprint that do not
_EXACT_WINDOW = 16
_OWN_WORDINGS = 1  # of a fingerprint: those that are no idioms
_MAGIC = b"safe-agent fingerprints 3\n"  # another number whenever tokens, hashes, idioms or surprisal change
_CHECK = 16
_SIZES = struct.Struct("<III")


RARE = np.uint8(0x80)
"""Added to the surprisal of a name that few others use; no surprisal is that high."""


class Rows(NamedTuple):
    """What is kept of tokens, a byte for each: of shapes and words a digest, links of names, and surprisal."""

    shape: Small
    exact: Small
    links: Small
    worth: Small

    def part(self, rows: slice) -> "Rows":
        """Cut a piece out, without a copy."""
        return Rows(*(column[rows] for column in self))


class Prints(NamedTuple):
    """Fingerprints of one file. Places are rows of tokens."""

    rows: Rows
    shapes: Codes
    shape_places: Codes
    words: Codes
    word_places: Codes

    @property
    def kept(self) -> int:
        """How many fingerprints."""
        return self.shapes.size + self.words.size


def fingerprints(text: bytes, idioms: Idioms, surprisal: Surprisal) -> Prints:
    """Winnow a file: of each window the fingerprint that is worth most, of equals the smallest."""
    tokens = tokenise(text)
    code = tokens.rows(0, tokens.code)
    shaped = shape(code)
    surprise = surprisal.of(code, shaped)
    wordings = worth(idioms.own_wordings(code), EXACT - WORDING + 1)
    moves = _moves(code)
    worths = sums(surprise * moves, SHAPE) * (sums(moves, SHAPE) >= _MOVES)
    shapes = _kept(grams(shaped.codes, SHAPE), worths, _SHAPE_WINDOW, _SHAPE_WORTH)
    words = _kept(grams(code.exact, EXACT), wordings, _EXACT_WINDOW, _OWN_WORDINGS)
    worth_kept = surprise | RARE * surprisal.rare(code)
    return Prints(Rows(shaped.digest, digest(code.exact), links(code), worth_kept), *shapes, *words)


def _moves(tokens: Tokens) -> Flags:
    """Tell which tokens do not just go on as the few before them did: `0, 0, 0` gives fingerprints to nobody."""
    patterns = neighbours(outline(tokens), _PATTERN)
    return np.concatenate((np.ones(min(_PATTERN - 1, tokens.exact.size), np.bool_), fresh(patterns, _PERIOD)))


def _kept(hashes: Codes, worths: Places, window: int, least: int) -> tuple[Codes, Codes]:
    rows = winnowed(hashes, worths, window, least)
    return hashes[rows], rows.astype(np.uint32)


def digest(codes: Codes) -> Small:
    """Give a byte for each hash."""
    return (codes >> np.uint32(8)).astype(np.uint8)


def pack(prints: Prints) -> bytes:
    """Give it as bytes, to be cached."""
    sizes = (prints.rows.shape.size, prints.shapes.size, prints.words.size)
    body = _SIZES.pack(*sizes) + b"".join(column.tobytes() for column in (*prints.rows, *prints[1:]))
    return _MAGIC + hashlib.sha256(body).digest()[:_CHECK] + body


def unpack(dumped: bytes) -> Prints:
    """Read what `pack` gave; `ValueError` if it is damaged or of another version."""
    edge = len(_MAGIC) + _CHECK
    body = dumped[edge:]
    if not dumped.startswith(_MAGIC) or dumped[len(_MAGIC) : edge] != hashlib.sha256(body).digest()[:_CHECK]:
        raise ValueError("not fingerprints of this version, or damaged")
    if len(body) < _SIZES.size:
        raise ValueError("fingerprints are cut short")
    size, shapes, words = _SIZES.unpack_from(body)
    columns = len(Rows._fields) * size
    if len(body) != _SIZES.size + columns + 8 * (shapes + words):
        raise ValueError("fingerprints have the wrong length")
    rows = Rows(*np.frombuffer(body, np.uint8, columns, _SIZES.size).reshape(len(Rows._fields), size))
    codes = np.frombuffer(body, "<u4", 2 * (shapes + words), _SIZES.size + columns).astype(np.uint32)
    prints = Prints(rows, *np.split(codes, (shapes, 2 * shapes, 2 * shapes + words)))
    if any(places.size and int(places.max()) >= size for places in (prints.shape_places, prints.word_places)):
        raise ValueError("a fingerprint lies outside its file")
    return prints
