"""Keyed codes: what the index holds in place of text, so that it says nothing to who lacks the key. Pure but for numpy.

A code is a pseudorandom function of a 64-bit hash of the text: one block of AES-256 over the hash and the code's
domain, of which the first 64 bits are kept. So two texts can be compared only by who has the key, and a text cannot be
guessed and confirmed without it. HMAC-SHA256 for each would promise the same at a hundred times the cost (1 µs against
5 to 10 ns; a megabyte of text has half a million), and OpenSSL encrypts a whole array at once. ECB is right here, and
only here: each block is the input of a function, not a message.
"""

from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Final, NoReturn

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from wrapper.provenance.model import Codes

KEY_SIZE: Final = 32
_BLOCKS: Final = 1 << 14  # at once: 256 KiB in and out stay in the second cache


class Domain(IntEnum):
    """What a code is of: the same hash has another code in each, so that columns cannot be joined with one another."""

    LINE = 1
    LINE_SHAPE = 2
    SKETCH = 3
    SHAPES = 4
    WORDS = 5
    BLOB = 6
    NORMALISED = 7


class Keyed:
    """Turns hashes into keyed codes. Not to be shared between threads; made anew in a few microseconds."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_SIZE:
            raise ValueError(f"a key of codes has {KEY_SIZE} bytes")
        self._update: Callable[[memoryview, memoryview], int] = (
            Cipher(algorithms.AES256(key), modes.ECB()).encryptor().update_into  # noqa: S305  (a function, no message)
        )

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: a key goes nowhere by accident."""
        raise TypeError("keys are not pickled: load the key file where the codes are made")

    def codes(self, hashes: Codes, domain: int) -> Codes:
        """Give the code of each hash; same shape."""
        codes = np.empty(hashes.size, np.uint64)
        for start, blocks in self._pieces(hashes, domain):
            codes[start : start + len(blocks)] = blocks[:, 0]
        return codes

    def blocks(self, hashes: Codes, domain: int) -> Codes:
        """Give all 128 bits of each, as two columns."""
        both = np.empty((hashes.size, 2), np.uint64)
        for start, blocks in self._pieces(hashes, domain):
            both[start : start + len(blocks)] = blocks
        return both

    def _pieces(self, hashes: Codes, domain: int) -> Iterator[tuple[int, Codes]]:
        """Encrypt in pieces; each array given is valid until the next."""
        size = min(hashes.size, _BLOCKS)
        clear = np.empty((size, 2), np.uint64)
        clear[:, 1] = domain
        coded = np.empty(size * 16 + 15, np.uint8)  # OpenSSL asks for a block more than it writes
        for start in range(0, hashes.size, _BLOCKS):
            piece = hashes[start : start + _BLOCKS]
            clear[: piece.size, 0] = piece
            self._update(clear[: piece.size].view(np.uint8).reshape(-1).data, coded.data)
            yield start, coded[: 16 * piece.size].view(np.uint64).reshape(-1, 2)
