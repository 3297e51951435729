"""Pairs of letters that words do not have: `qz`, `jx`, `vk`. Three of them in a short text, and nobody spelled it.

The pairs are those that make up less than one in 10,000 of the pairs within words of four letters or more, where a word
is a piece of an identifier, in 100 MB of public source code (Python, Go, JavaScript; 69,526 words, each counted up to
20 times). Of the 676 pairs 249 are so rare: of 16 random letters 81 % hold three, of 20 letters 92 %, of names in the
same code 0.3 %, most of them encodings.
"""

import re

_RARE = {
    "a": "o", "b": "ghkqvwxz", "c": "jwxz", "d": "kwxz", "f": "ghjknpqvwxz", "g": "bdfjkqvxz", "h": "bfghjknpqvwxz",
    "i": "hjwy", "j": "bcdfghjklmnpqrtvwxyz", "k": "bcghjkmqrvxyz", "l": "hjqwxz", "m": "cfghjqvwxz", "n": "qxz",
    "o": "hqz", "p": "jnqvwxz", "q": "bcdefghijklmnoprstvwxyz", "r": "hjqxz", "s": "jxz", "t": "jkqxz",
    "u": "hjkquvwyz", "v": "bcdfghjklnpqrtuvwxyz", "w": "bcdfgjkmpqtuvwxyz", "x": "bdghjklnoqrsuvwyz",
    "y": "dfghjkquvxyz", "z": "bcdfghjklmnpqrstuvwxyz",
}  # fmt: skip
_PAIRS = frozenset((first + second).encode() for first, seconds in _RARE.items() for second in seconds)
_WORD = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_LEAST = 3
_PER_BYTES = 8


def is_unspellable(value: bytes) -> bool:
    """Tell whether `value`, taken apart at capitals and signs, has too many rare pairs of letters for words.

    A word that stands there again says nothing new.
    """
    words = set(map(bytes.lower, _WORD.findall(value)))
    count = sum(word[at : at + 2] in _PAIRS for word in words for at in range(len(word) - 1))
    return count >= _LEAST and count * _PER_BYTES >= len(value)
