"""Mnemonics of wallets (BIP 39): 12, 15, 18, 21 or 24 words of a list of 2,048, which hold a key and its checksum.

Each word stands for eleven bits, its place in the English list; of the bits of 33, 32 are the key's and one is the
first of its SHA-256. So that a text holds one is proved by the text alone: all words are in the list and one of 16 (12
words) to 256 (24) of such runs has a checksum that fits.

Rules of this file:
1. Whoever asks gives a run of words, which may begin before the mnemonic and end behind it: each window is tried.
2. A run in the order of the list is the list itself, or a piece of it; words that repeat are nobody's key: manuals and
   development chains use `abandon` eleven times, or `test`.
3. The list is read when the first run is asked about: a start that finds none does not need it.
"""

import hashlib
import pkgutil
import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from types import MappingProxyType

_FILE = "bip39.words"
_SIZES = (24, 21, 18, 15, 12)
_BITS = 11
_PER_CHECKSUM_BIT = 33
_LEAST_DISTINCT = 6  # of 12 words drawn from 2,048 fewer differ in one of 10^20
_ESCAPE = re.compile(rb"\\+[nrt]")
_WORD = re.compile(rb"[a-z]+")


def holds_mnemonic(text: bytes) -> bool:
    """Tell whether a mnemonic stands in `text`: words in any case, with any signs and escaped line ends between."""
    return any(
        _is_mnemonic(places[first : first + size])
        for places in _runs(text)
        for size in _SIZES
        for first in range(len(places) - size + 1)
    )


def _runs(text: bytes) -> list[list[int]]:
    """Give the places in the list of words that stand beside each other, for each run of words of the list."""
    known = _places()
    runs: list[list[int]] = [[]]
    for word in _WORD.findall(_ESCAPE.sub(b" ", text).lower()):
        if word in known:
            runs[-1].append(known[word])
        elif runs[-1]:
            runs.append([])
    return runs


def _is_mnemonic(places: Sequence[int]) -> bool:
    if len(set(places)) < _LEAST_DISTINCT or all(one < other for one, other in pairwise(places)):
        return False
    number = 0
    for place in places:
        number = number << _BITS | place
    checked = len(places) * _BITS // _PER_CHECKSUM_BIT
    key, checksum = number >> checked, number & (1 << checked) - 1
    first = hashlib.sha256(key.to_bytes(checked * 4, "big")).digest()[0]  # 32 bits of a key for each of its checksum
    return first >> 8 - checked == checksum


@cache
def _places() -> Mapping[bytes, int]:
    """Read the English list of BIP 39, from which a word's place follows."""
    packed = pkgutil.get_data("redactors", _FILE)
    assert packed is not None  # noqa: S101  (a file of this package)
    return MappingProxyType({word: place for place, word in enumerate(packed.split())})
