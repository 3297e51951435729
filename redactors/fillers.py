"""Characters that somebody typed in a row to fill the place of a secret: `abcdefghij`, `a1b2c3d4`, `lsdkfj23`.

What a generator draws does not look so: each shape here is one that chance gives to fewer than one in a thousand short
values, and to far fewer long ones. An issuer's token may be filled so and still be meant as one, so a filler makes a
token of an issuer less sure, not harmless. Where the token itself says that it is for a sandbox, or where no more than
its first letters say whose it is and the whole alphabet follows, nothing is left.
"""

import operator
import re
from collections.abc import Iterable

from redactors.filters import LONGEST_TYPED, is_hex
from redactors.ondemand import OnDemand

_FILLERS = (b"0" * 10, b"a" * 8, b"1" * 10, b"12345678" * 2, b"abcdefgh" * 2, b"123123" * 2)
_RUNS = (
    b"0123456789",
    b"1234567890abcdef",
    b"abcdefghijklmnopqrstuvwxyz0123456789",
    b"qwertyuiop",
    b"9876543210",
    b"abcdef",
)
_SEQUENCES = tuple(run * 4 for run in _RUNS)
_STEPS = frozenset(run[at : at + 4] for run in _SEQUENCES for at in range(len(run) - 3))
_SHORTEST_WOVEN = 6
_SHORTEST_SEQUENCE = 10
_NO_LETTER = bytes(set(range(256)) - set(range(97, 123)))
_NO_DIGIT = bytes(set(range(256)) - set(b"0123456789"))
_DOUBLED = re.compile(rb"(.)\1+")
_HOME_ROW = b"asdfghjkl"
_LEAST_MASHED = 5
_MASHED = 5  # at most one letter in five stands elsewhere; chance does that to one in 500 of eight letters
_LEAST_RECITED = 20
_RECITED = 4  # at least a fourth of the letters
_IN_ORDER = 8  # letters that follow each other in the alphabet: of 34 that are drawn one in 10^8 has so many
_LETTERS = b"abcdefghijklmnopqrstuvwxyz"
_NEXT = bytes.maketrans(_LETTERS, _LETTERS[1:] + b"\0")
_RISING = 11  # letters each of which stands behind the one before in the alphabet: one in 10^7
_SANDBOX = OnDemand(rb"(?i)(?:^|[^a-z])(?:sandbox|sbx|sdbx)(?![a-z])")


def is_filler(value: bytes) -> bool:
    """Tell characters typed in a row to fill a place, `abcdefghij` or `0123456789`, among others perhaps."""
    if len(value) > LONGEST_TYPED:
        return False
    lower = value.lower()
    for run in _FILLERS:
        if run in lower:
            return True
    return _is_sequence(lower) or _is_woven(lower) or _is_recited(lower) or _is_mashed(value)


def is_alphabet(value: bytes) -> bool:
    """Tell a filler that holds the whole alphabet in one run."""
    return _LETTERS in value.lower()


def is_for_sandbox(value: bytes) -> bool:
    """Tell a token that says of itself that it is for an issuer's sandbox: `persona_sandbox_…`, `SBX-…`."""
    return bool(_SANDBOX.search(value))


def _is_sequence(lower: bytes) -> bool:
    """Tell a value of which a third is one sequence, as `abcdefghij` is."""
    return _longest_sequence(lower) >= max(_SHORTEST_SEQUENCE, len(lower) // 3)


def _is_woven(lower: bytes) -> bool:
    """Tell two sequences in turns, as `a1b2c3d4` is: letters alone are one, digits alone another."""
    return _makes_most(lower.translate(None, _NO_DIGIT)) and _makes_most(lower.translate(None, _NO_LETTER))


def _is_recited(lower: bytes) -> bool:
    """Tell a long value whose letters go through the alphabet, whatever stands between: `rStUvW`, `7r8s9t`."""
    if len(lower) < _LEAST_RECITED:
        return False
    letters = lower.translate(None, _NO_LETTER)
    longest = _longest_run(map(operator.eq, letters.translate(_NEXT), letters[1:]))
    if longest < _IN_ORDER:
        longest = _longest_run(map(operator.lt, letters, letters[1:]))
        if longest < _RISING:
            return False
    return longest * _RECITED >= len(letters)


def _longest_run(steps: Iterable[bool]) -> int:
    """Give how many letters the longest run of steps leads over that are as asked for."""
    return max(map(len, bytes(steps).split(b"\0"))) + 1


def _is_mashed(value: bytes) -> bool:
    """Tell what fingers type that rest on the home row, `lsdkfj23`: of random letters a third stands there."""
    if not value.islower() or is_hex(value):
        return False
    letters = value.translate(None, _NO_LETTER)
    elsewhere = letters.translate(None, _HOME_ROW)
    return len(letters) >= _LEAST_MASHED and len(elsewhere) * _MASHED <= len(letters)


def _makes_most(text: bytes) -> bool:
    text = _DOUBLED.sub(rb"\1", text) if len(text) >= _SHORTEST_WOVEN else text
    return len(text) >= _SHORTEST_WOVEN and _longest_sequence(text) * 2 >= len(text)


def _longest_sequence(value: bytes) -> int:
    """Length of the longest sequence in `value`; each one of five or more covers an offset that is tried."""
    if _STEPS.isdisjoint([value[at : at + 4] for at in range(0, len(value) - 4, 2)]):
        return 0
    longest = 0
    for at in range(0, len(value) - 4, 2):
        start = value[at : at + 4]
        for sequence in _SEQUENCES:
            if start in sequence:
                size = 4
                while at + size < len(value) and value[at : at + size + 1] in sequence:
                    size += 1
                longest = max(longest, size + (at > 0 and value[at - 1 : at + size] in sequence))
    return longest
