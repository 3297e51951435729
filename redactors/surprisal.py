"""How surprising each token of code is to one who knows much code: `for (int i = 0; i <` holds a bit or two, in all.

A run of tokens that two texts have in common, all names changed, is evidence as far as it is surprising: one pair of
places in 2^40 has, by chance, 40 bits in common. So surprisal (Shannon, 1948) adds up to what a run proves, where
counting tokens would take a table for a proof.

Two questions are asked of each token: which mark, keyword, name or number follows the tokens before it, all names
alike; and of a name, which of the last names it repeats, if any. Asked apart, each is answered from much less code than
both at once, where every way to name things is a context of its own; asked together, what is common is known more
exactly. The smaller answer counts.

A name that was kept proves more, unless everybody uses it: common names are known, too.

Learned from public code with `python bench/fingerprint.py --learn-surprisal`: of each context, how often the token
follows it. Only what several files hold is kept, and a token is worth at most what the most certain of its contexts
says. Kept are maps from hashes to levels in the manner of a Bloom filter (CACM 1970): what is not in one is sometimes
taken for something frequent, and then worth less than it is; what is in it never for more.
"""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from redactors.idioms import bundled_bits
from redactors.tokens import Codes, Flags, Places, Shape, Small, Tokens, Wide, outline

UNIT = 16
"""Parts of a bit in which surprisal is given."""
ORDERS = (4, 6, 8, 10)
"""How many tokens are looked at, the last of them included, when both is asked together."""
NAMELESS_ORDERS = (2, 3, 4, 6, 8, 10, 12)
"""The same without names."""
NAME_ORDERS = ((1, 1), (2, 2), (4, 3), (5, 4))
"""For a name: how many tokens before it are looked at without their names, and what so many names before it repeat."""
LEVELS = np.array((2, 4, 8, 12, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 136, 160), np.uint8)
"""What is told apart, in `UNIT`: an eighth of a bit to ten bits, which is what nobody knows."""
UNKNOWN = LEVELS.size - 1
MOST = 6 * UNIT
"""What a token is worth at most: more for a rare mark only lets more of other code in, by measurement."""
_NAME = np.uint32(2)  # all names in an outline
_NUMBER = np.uint32(3)  # all numbers are alike: which one it is
_NUMBER_WORTH = np.uint16(2 * UNIT)  # is worth little, since tables count up

_FILE = "surprisal.bits"
_TOGETHER, _APART = 1 << 23, 1 << 24  # slots: an eighth and a sixth of them are filled
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Knuth, TAOCP 3, 6.4
_PROBES = tuple(np.uint64(factor) for factor in (1, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))  # xxHash's primes
_HALF = np.uint64(29)
_NAMED = np.uint64(1 << 32)  # added for each name: no context of tokens has such a hash, nor one of fewer names
_AS_IT_IS = np.full(1, 1 << 63, np.uint64)
_NOTHING = np.zeros(0, np.uint64)


class Contexts(NamedTuple):
    """One context for each of some tokens. `rows`: those tokens; `hashes`: with the token; `before`: without it."""

    rows: Places
    hashes: Wide
    before: Wide


class Surprisal(NamedTuple):
    """What much code has taught: slots with a level in each, of both questions together, and of each apart."""

    together: Small
    apart: Small

    @classmethod
    def bundled(cls) -> "Surprisal":
        """Read what comes with this package."""
        return cls.unpack(bundled_bits(_FILE))

    @classmethod
    def empty(cls) -> "Surprisal":
        """Know nothing: every token is worth all that one can be."""
        return cls(np.full(_TOGETHER, UNKNOWN, np.uint8), np.full(_APART, UNKNOWN, np.uint8))

    @classmethod
    def unpack(cls, packed: bytes) -> "Surprisal":
        """Read what `pack` gave."""
        pairs = np.frombuffer(zlib.decompress(packed), np.uint8)
        slots = np.stack((pairs >> 4, pairs & 15), axis=1).reshape(-1)
        return cls(slots[:_TOGETHER], slots[_TOGETHER:])

    def pack(self) -> bytes:
        """Give it as bytes."""
        slots = np.concatenate(self)
        return zlib.compress(((slots[::2] << 4) | slots[1::2]).tobytes(), 9)

    def of(self, tokens: Tokens, shape: Shape) -> Small:
        """Give the surprisal of each token in `UNIT`, `MOST` at most. `shape`: that of `tokens`."""
        codes, names = outline(tokens), tokens.names
        apart = _least(self.apart, codes.size, nameless_contexts(codes)).astype(np.uint16)
        apart[names] += _least(self.apart, codes.size, name_contexts(codes, shape))[names]
        surprisal = np.minimum(apart, _least(self.together, codes.size, contexts(familiar(tokens, shape))))
        surprisal[codes == _NUMBER] += _NUMBER_WORTH
        return np.minimum(surprisal, MOST).astype(np.uint8)

    def rare(self, tokens: Tokens) -> Flags:
        """Tell which tokens are names that few others use."""
        rare: Flags = tokens.names & (level(self.apart, name_hashes(tokens.exact)) == UNKNOWN)
        return rare


def name_hashes(exact: Codes) -> Wide:
    """Hash names as they are, apart from all contexts, to learn those of which everybody has some."""
    return _mixed(_AS_IT_IS, exact)


def learn(slots: Small, hashes: Wide, levels: Small) -> None:
    """Know of these contexts that they have at most these levels."""
    for probe in _PROBES:
        np.minimum.at(slots, _places(slots, hashes, probe), levels)


def level(slots: Small, hashes: Wide) -> Small:
    """Give the level of each context: the highest that its slots hold, since others may share some of them."""
    first, *others = _PROBES
    highest = slots.take(_places(slots, hashes, first))
    rows = np.flatnonzero(highest < UNKNOWN)  # what one slot does not know, is not known
    for probe in others:
        highest[rows] = np.maximum(highest[rows], slots.take(_places(slots, hashes[rows], probe)))
    return highest


def familiar(tokens: Tokens, shape: Shape) -> Codes:
    """Give codes as they are learned together: a name is which of the last it repeats, and all numbers are alike."""
    return np.where((tokens.exact & _NUMBER) == _NUMBER, _NUMBER, shape.codes)


def contexts(codes: Codes) -> Iterator[Contexts]:
    """Give the contexts of tokens, for each of `ORDERS`. `codes`: familiar ones."""
    hashes = np.zeros(codes.size + 1, np.uint64)
    for order in range(1, min(ORDERS[-1], codes.size) + 1):
        before, hashes = hashes, _mixed(hashes[1:], codes[: codes.size - order + 1])
        if order in ORDERS:
            yield Contexts(np.arange(order - 1, codes.size), hashes, before[:-1])


def nameless_contexts(codes: Codes) -> Iterator[Contexts]:
    """Give the contexts of tokens, for each of `NAMELESS_ORDERS`. `codes`: their outline."""
    for order, before, hashes in _hashed(codes, NAMELESS_ORDERS[-1]):
        if order in NAMELESS_ORDERS:
            yield Contexts(np.arange(order - 1, codes.size), hashes, before)


def name_contexts(codes: Codes, shape: Shape) -> Iterator[Contexts]:
    """Give the contexts of names, for each of `NAME_ORDERS`: what stood before, and what the last names repeated."""
    rows = np.flatnonzero(codes == _NAME)
    repeats = shape.digest.take(rows).astype(np.uint64)
    ends = {order: hashes for order, _, hashes in _hashed(codes, max(order for order, _ in NAME_ORDERS))}
    for order, names in NAME_ORDERS:
        at = np.flatnonzero(rows[names:] >= order) + names
        if not at.size:
            yield Contexts(at, _NOTHING, _NOTHING)
            continue
        before = ends[order].take(rows[at] - order) + np.uint64(names) * _NAMED
        for back in range(names, 0, -1):
            before = _mixed(before, repeats[at - back])
        yield Contexts(rows[at], _mixed(before, repeats[at]), before)


def _hashed(codes: Codes, longest: int) -> Iterator[tuple[int, Wide, Wide]]:
    """For each order, hash so many codes, and all but the last of them; row i is of those from i on."""
    hashes = np.zeros(codes.size + 1, np.uint64)
    for order in range(1, min(longest, codes.size) + 1):
        before = hashes[:-1]
        hashes = _mixed(before, codes[order - 1 :])
        yield order, before, hashes


def _mixed(hashes: Wide, codes: Codes | Wide) -> Wide:
    mixed: Wide = (hashes + codes + np.uint64(1)) * _MIX
    mixed ^= mixed >> _HALF
    return mixed


def _least(slots: Small, size: int, contexts: Iterator[Contexts]) -> Small:
    """Give what each of `size` tokens is worth, in `UNIT`: what its most certain context says."""
    least = np.full(size, UNKNOWN, np.uint8)
    for rows, hashes, _ in contexts:
        least[rows] = np.minimum(least[rows], level(slots, hashes))
    return LEVELS.take(least)


def _places(slots: Small, hashes: Wide, probe: np.uint64) -> Places:
    places: Places = ((hashes * probe) >> np.uint64(65 - slots.size.bit_length())).view(np.int64)
    return places
