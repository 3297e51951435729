"""Where 64-bit hashes stand in a long sorted column of them. Pure but for numpy.

A binary search in millions of hashes misses the caches some ten times. Hashes are spread evenly: by their highest bits
each is in a bucket of a few neighbours, which is one or two misses. Where they are not spread, it is slow, and right.
"""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Hashes: TypeAlias = npt.NDArray[np.uint64]
Rows: TypeAlias = npt.NDArray[np.int64]

_LEAST: Final = 1 << 17  # hashes: fewer lie in the second cache
_EACH: Final = 8  # hashes of a bucket, at most on average
_WINDOW: Final = 24  # hashes looked at from a bucket's beginning on: one in 100,000 buckets has more
_GREATEST: Final = np.uint64((1 << 64) - 1)


class Buckets:
    """Sorted hashes to be looked up; takes half a byte to a byte for each besides."""

    def __init__(self, hashes: Hashes) -> None:
        self._hashes = hashes
        bits = (hashes.size // _EACH).bit_length() if hashes.size >= _LEAST else 0
        self._shift = np.uint64(64 - bits)
        edges = np.arange(1 << bits, dtype=np.uint64) << self._shift if bits else None
        self._starts = None if edges is None else np.searchsorted(hashes, edges).astype(np.uint32)

    def first(self, hashes: Hashes) -> Rows:
        """Give the first row that is not less than each, as `numpy.searchsorted` does."""
        if self._starts is None:
            return np.searchsorted(self._hashes, hashes)
        start = self._starts.take((hashes >> self._shift).view(np.int64)).astype(np.int64)
        window = start[:, None] + np.arange(_WINDOW)
        below = self._hashes.take(window, mode="clip") < hashes[:, None]
        below &= window < self._hashes.size
        first: Rows = start + np.count_nonzero(below, axis=1)
        beyond = np.flatnonzero(first == start + _WINDOW)
        first[beyond] = np.searchsorted(self._hashes, hashes[beyond])
        return first

    def behind(self, hashes: Hashes) -> Rows:
        """Give the first row that is greater than each."""
        return np.where(hashes == _GREATEST, self._hashes.size, self.first(hashes + np.uint64(1)))
