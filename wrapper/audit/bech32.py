"""Bech32 (BIP 173) as age uses it: keys as text with a checksum, without the length limit of 90 characters."""

from collections.abc import Iterable
from typing import Final

from wrapper.errors import AuditError

_ALPHABET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"  # pragma: allowlist secret
_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM: Final = 6


def encode(prefix: str, data: bytes) -> str:
    """Return `data` as lower-case text that begins with `prefix`."""
    values = list(_regroup(data, 8, 5, pad=True))
    state = _polymod([*_expand(prefix), *values, *([0] * _CHECKSUM)]) ^ 1
    checksum = [state >> 5 * (_CHECKSUM - 1 - place) & 31 for place in range(_CHECKSUM)]
    return f"{prefix}1{''.join(_ALPHABET[value] for value in values + checksum)}"


def decode(text: str) -> tuple[str, bytes]:
    """Return prefix (lower case) and data. Raises AuditError, which never quotes `text`: it may be a private key."""
    if text not in (text.lower(), text.upper()):
        raise AuditError("a key mixes upper and lower case")
    prefix, separator, rest = text.lower().rpartition("1")
    if not separator or not prefix or len(rest) < _CHECKSUM or not text.isascii():
        raise AuditError("a key is not in Bech32")
    values = [_ALPHABET.find(letter) for letter in rest]
    if -1 in values or _polymod([*_expand(prefix), *values]) != 1:
        raise AuditError("a key is mistyped: its checksum is wrong")
    return prefix, bytes(_regroup(values[:-_CHECKSUM], 5, 8, pad=False))


def _expand(prefix: str) -> list[int]:
    return [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]


def _polymod(values: Iterable[int]) -> int:
    state = 1
    for value in values:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for place, term in enumerate(_GENERATOR):
            if top >> place & 1:
                state ^= term
    return state


def _regroup(values: Iterable[int], width: int, target: int, *, pad: bool) -> Iterable[int]:
    held = bits = 0
    for value in values:
        held, bits = held << width | value, bits + width
        while bits >= target:
            bits -= target
            yield held >> bits
            held &= (1 << bits) - 1
    if pad and bits:
        yield held << (target - bits)
    elif not pad and (bits >= width or held):
        raise AuditError("a key has padding that is not zero")
