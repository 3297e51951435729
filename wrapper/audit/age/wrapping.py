"""How the file key is wrapped, whatever the recipient: HKDF-SHA-256 and ChaCha20-Poly1305 (https://c2sp.org/age)."""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FILE_KEY: Final = 16
WRAPPED: Final = FILE_KEY + 16  # a longer body could be opened by several keys ("partitioning oracle")

_ZERO_NONCE: Final = bytes(12)  # every wrapping key wraps one message only


def derive(secret: bytes, salt: bytes, info: bytes) -> bytes:
    """Return 32 bytes of HKDF-SHA-256."""
    return HKDF(hashes.SHA256(), 32, salt, info).derive(secret)


def wrap(key: bytes, file_key: bytes) -> bytes:
    """Return the body of a stanza."""
    return ChaCha20Poly1305(key).encrypt(_ZERO_NONCE, file_key, None)


def unwrap(key: bytes, body: bytes) -> bytes | None:
    """Return the file key, None where `key` is not the one."""
    try:
        return ChaCha20Poly1305(key).decrypt(_ZERO_NONCE, body, None)
    except InvalidTag:
        return None
