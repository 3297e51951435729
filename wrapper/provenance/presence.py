"""Whether a code may be in a set, said at once: most text is nobody's, and must cost next to nothing.

A Bloom filter (Bloom, CACM 1970) in which all bits of a code lie in one word of 64 (Putze, Sanders, Singler, "Cache-,
hash- and space-efficient Bloom filters", 2007): one access to memory for each code. Pure but for numpy.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from wrapper.provenance.model import Codes

_EACH: Final = 16  # bits for each code: with three set of each, 1 in 150 others seems to be there
_LOW: Final = np.uint64(63)
_FIRST, _SECOND = np.uint64(6), np.uint64(12)
_ONE: Final = np.uint64(1)


def words_for(count: int) -> int:
    """Give how many 64-bit words a filter of so many codes has: a power of two."""
    return 1 << max((count * _EACH // 64).bit_length(), 4)


def note(words: Codes, codes: Codes) -> None:
    """Put codes into a filter."""
    np.bitwise_or.at(words, _places(words, codes), _bits(codes))


def seems_in(words: Codes, codes: Codes) -> npt.NDArray[np.int64]:
    """Give the indices of codes that may be in the filter; what is left out is not."""
    tested = words.take(_places(words, codes))
    tested >>= codes & _LOW
    tested &= _ONE
    first = np.flatnonzero(
        tested.astype("<u8", copy=False).view(np.bool_)[::8]
    )  # half the time of making them booleans
    likely = codes[first]
    bits = _bits(likely)
    found: npt.NDArray[np.int64] = first[(words[_places(words, likely)] & bits) == bits]
    return found


def _places(words: Codes, codes: Codes) -> npt.NDArray[np.int64]:
    return (codes >> np.uint64(65 - int(words.size).bit_length())).view(np.int64)


def _bits(codes: Codes) -> Codes:
    bits: Codes = _ONE << (codes & _LOW)
    bits |= _ONE << ((codes >> _FIRST) & _LOW)
    bits |= _ONE << ((codes >> _SECOND) & _LOW)
    return bits
