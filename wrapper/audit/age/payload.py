"""The content of an age v1 file: chunks of 64 KiB under a key of their own (https://c2sp.org/age, "Payload")."""

import itertools
import os
from collections.abc import Iterator
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from wrapper.audit.age.faults import HeaderError, PayloadError
from wrapper.audit.age.wrapping import derive

_NONCE: Final = 16
_CHUNK: Final = 65536
_SEALED: Final = _CHUNK + 16


def seal(file_key: bytes, plaintext: bytes) -> bytes:
    """Return nonce and chunks."""
    nonce = os.urandom(_NONCE)
    cipher = _cipher(file_key, nonce)
    pieces = [plaintext[start : start + _CHUNK] for start in range(0, len(plaintext), _CHUNK)] or [b""]
    final = len(pieces) - 1
    sealed = (cipher.encrypt(_number(at, last=at == final), piece, None) for at, piece in enumerate(pieces))
    return nonce + b"".join(sealed)


def opened(file_key: bytes, sealed: bytes) -> Iterator[bytes]:
    """Yield the content chunk by chunk; raises HeaderError or PayloadError where it stops being good."""
    if len(sealed) < _NONCE:
        raise HeaderError("it ends before its content")
    cipher = _cipher(file_key, sealed[:_NONCE])
    for at in itertools.count():
        start = _NONCE + at * _SEALED
        chunk, last = _open(cipher, at, sealed[start : start + _SEALED])
        if not chunk and at:
            raise PayloadError("it ends in an empty chunk")
        yield chunk
        if last:
            if len(sealed) > start + _SEALED:
                raise PayloadError("something stands behind its content")
            return


def _open(cipher: ChaCha20Poly1305, at: int, piece: bytes) -> tuple[bytes, bool]:
    """Return a chunk and whether it is the last; only a full one can be another."""
    for last in (False, True) if len(piece) == _SEALED else (True,):
        try:
            return cipher.decrypt(_number(at, last=last), piece, None), last
        except InvalidTag:
            continue
    raise PayloadError("its content was changed or cut")


def _cipher(file_key: bytes, nonce: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(derive(file_key, nonce, b"payload"))


def _number(at: int, *, last: bool) -> bytes:
    return at.to_bytes(11, "big") + (b"\x01" if last else b"\x00")
