"""What code of all projects has in common: `fn fmt(&self, f: &mut fmt::Formatter<'_>)`, `for _, tt := range tests {`.

A run of tokens that consists of these proves nothing. Learned from public code with `python bench/fingerprint.py
--learn`: which ten neighbouring tokens without names, and which five with them, stand in many files. They are kept as
two sets of bits (Bloom, CACM 1970, with one hash): now and then something rare is taken for common, never the reverse.
"""

import pkgutil
import zlib
from typing import NamedTuple

import numpy as np

from redactors.tokens import Codes, Small, Tokens, outline, wording

OUTLINE, WORDING = 10, 5
"""Tokens in an idiom of each kind: as many as tell code apart best by measurement."""
BITS = 22
"""Binary logarithm of the size of each set."""

_FILE = "idioms.bits"
_FACTOR = np.uint32(0x9E3779B1)


class Idioms(NamedTuple):
    """Two sets of hashes, as packed bits: of outlines, and of wordings."""

    outlines: Small
    wordings: Small

    @classmethod
    def bundled(cls) -> "Idioms":
        """Read the set that comes with this package."""
        return cls.unpack(bundled_bits(_FILE))

    @classmethod
    def of(cls, outlines: Codes, wordings: Codes) -> "Idioms":
        """Make the sets of these hashes."""
        return cls(_packed(outlines), _packed(wordings))

    @classmethod
    def unpack(cls, packed: bytes) -> "Idioms":
        """Read what `pack` gave."""
        outlines, wordings = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(2, -1)
        return cls(outlines, wordings)

    def pack(self) -> bytes:
        """Give the sets as bytes."""
        return zlib.compress(self.outlines.tobytes() + self.wordings.tobytes(), 9)

    def own_outlines(self, tokens: Tokens) -> Codes:
        """Give the hashes of outlines that are no idioms, 0 for the others; row i is of the tokens from i on."""
        return _own(self.outlines, neighbours(outline(tokens), OUTLINE))

    def own_wordings(self, tokens: Tokens) -> Codes:
        """Do the same with wordings."""
        return _own(self.wordings, neighbours(wording(tokens), WORDING))


def bundled_bits(name: str) -> bytes:
    """Read a file of what was learned, that comes with this package."""
    packed = pkgutil.get_data("redactors", name)
    assert packed is not None  # noqa: S101  (a file of this package)
    return packed


def neighbours(codes: Codes, size: int) -> Codes:
    """Hash every `size` neighbouring codes."""
    count = max(codes.size - size + 1, 0)
    hashes = np.zeros(count, np.uint32)
    for first in range(size):
        hashes = (hashes ^ codes[first : first + count]) * _FACTOR
        hashes ^= hashes >> np.uint32(15)
    return hashes


def _packed(hashes: Codes) -> Small:
    present = np.zeros(1 << BITS, np.uint8)
    present[hashes >> np.uint32(32 - BITS)] = 1
    return np.packbits(present)


def _own(packed: Small, hashes: Codes) -> Codes:
    place = hashes >> np.uint32(32 - BITS)
    common = (packed[place >> np.uint32(3)] << (place & np.uint32(7)).astype(np.uint8)) & 0x80
    return np.where(common == 0, hashes, np.uint32(0))
