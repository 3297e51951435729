"""How surprising each token of code is to one who knows much code: `for (int i = 0; i <` holds a bit or two, in all.

A run of tokens that two texts have in common, all names changed, is evidence as far as it is surprising: one pair of
places in 2^40 has, by chance, 40 bits in common. So surprisal (Shannon, 1948) adds up to what a run proves, where
counting tokens would take a table for a proof.

Learned from public code with `python bench/fingerprint.py --learn`: of up to ten tokens in a row without their names,
how often the last one follows the others. Only what many files hold is kept, so a token is worth at most what the most
certain of its contexts says. Kept is a map from hashes to levels in the manner of a Bloom filter (CACM 1970): what is
not in it is sometimes taken for something frequent, and then worth less than it is; what is in it never for more.
"""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from redactors.idioms import bundled_bits
from redactors.tokens import Codes, Places, Shape, Small, Tokens, Wide

UNIT = 16
"""Parts of a bit in which surprisal is given."""
ORDERS = (1, 2, 3, 4, 5, 6, 8, 10)
"""How many tokens are looked at, the last of them included."""
LEVELS = np.array((2, 4, 8, 12, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 136, 160), np.uint8)
"""What is told apart, in `UNIT`: an eighth of a bit to ten bits, which is what a token is worth that nobody knows."""
UNKNOWN = LEVELS.size - 1
_NUMBER = np.uint32(3)  # all numbers are alike: which one it is
_NUMBER_WORTH = np.uint8(2 * UNIT)  # is worth little, since tables count up

_FILE = "surprisal.bits"
_SLOTS = 23  # binary logarithm: an eighth of them is filled
_SHIFT = np.uint64(64 - _SLOTS)
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Knuth, TAOCP 3, 6.4
_PROBES = tuple(np.uint64(factor) for factor in (1, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))  # xxHash's primes
_HALF = np.uint64(29)


class Surprisal(NamedTuple):
    """What much code has taught. `slots`: a level in each."""

    slots: Small

    @classmethod
    def bundled(cls) -> "Surprisal":
        """Read what comes with this package."""
        return cls.unpack(bundled_bits(_FILE))

    @classmethod
    def empty(cls) -> "Surprisal":
        """Know nothing: every token is worth all that one can be."""
        return cls(np.full(1 << _SLOTS, UNKNOWN, np.uint8))

    @classmethod
    def unpack(cls, packed: bytes) -> "Surprisal":
        """Read what `pack` gave."""
        pairs = np.frombuffer(zlib.decompress(packed), np.uint8)
        return cls(np.stack((pairs >> 4, pairs & 15), axis=1).reshape(-1))

    def pack(self) -> bytes:
        """Give it as bytes."""
        return zlib.compress(((self.slots[::2] << 4) | self.slots[1::2]).tobytes(), 9)

    def learn(self, hashes: Wide, levels: Small) -> None:
        """Know of these contexts that they have at most these levels."""
        for probe in _PROBES:
            np.minimum.at(self.slots, _slots(hashes, probe), levels)

    def of(self, tokens: Tokens, shape: Shape) -> Small:
        """Give the surprisal of each token in `UNIT`. `shape`: that of `tokens`."""
        codes = familiar(tokens, shape)
        level = np.full(codes.size, UNKNOWN, np.uint8)
        for order, hashes in contexts(codes):
            if order in ORDERS:
                last = level[order - 1 :]
                np.minimum(last, self.level(hashes), out=last)
        surprisal: Small = LEVELS[level] + (codes == _NUMBER) * _NUMBER_WORTH
        return surprisal

    def level(self, hashes: Wide) -> Small:
        """Give the level of each context: the highest that its slots hold, since others may share some of them."""
        first, *others = _PROBES
        level = self.slots.take(_slots(hashes, first))
        rows = np.flatnonzero(level < UNKNOWN)  # what one slot does not know, is not known
        for probe in others:
            level[rows] = np.maximum(level[rows], self.slots.take(_slots(hashes[rows], probe)))
        return level


def familiar(tokens: Tokens, shape: Shape) -> Codes:
    """Give codes as they are learned: without names, and all numbers alike."""
    return np.where((tokens.exact & _NUMBER) == _NUMBER, _NUMBER, shape.codes)


def contexts(codes: Codes) -> Iterator[tuple[int, Wide]]:
    """For each order, hash so many codes; row i is of those that end `order - 1` rows later."""
    hashes = np.zeros(codes.size + 1, np.uint64)
    for order in range(1, ORDERS[-1] + 1):
        if order > codes.size:
            return
        hashes = (hashes[1:] + codes[: codes.size - order + 1] + np.uint64(1)) * _MIX
        hashes ^= hashes >> _HALF
        yield order, hashes


def _slots(hashes: Wide, probe: np.uint64) -> Places:
    slots: Places = ((hashes * probe) >> _SHIFT).view(np.int64)
    return slots
