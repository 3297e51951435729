"""What a client of MySQL answers to prove a password, by plugin; pure.

Sources: MySQL's internals, "Native Authentication" and "Caching SHA-2 Pluggable Authentication" (dev.mysql.com), and
MariaDB's "Authentication Plugins" of its client/server protocol.
"""

import hashlib
from typing import Final

from wrapper.gateway.databases.ed25519 import sign

NATIVE: Final = b"mysql_native_password"
SHA2: Final = b"caching_sha2_password"
ED25519: Final = b"client_ed25519"
PLUGINS: Final = (NATIVE, SHA2, ED25519)

_NONCE: Final = 20
_LONG_NONCE: Final = 32
_RSA_BITS: Final = range(1024, 8193)  # MySQL makes keys of 2048; a hostile one of many would cost minutes


def scramble(plugin: bytes, password: bytes, nonce: bytes) -> bytes:
    """Answer a nonce as the plugin does. ValueError for a plugin not among PLUGINS, or a nonce too short."""
    size = _LONG_NONCE if plugin == ED25519 else _NONCE
    if len(nonce) < size:
        raise ValueError("a nonce that is too short")
    if plugin == NATIVE:  # SHA1(password) XOR SHA1(nonce, SHA1(SHA1(password)))
        once = _sha1(password)
        return _xor(once, _sha1(nonce[:size] + _sha1(once)))
    if plugin == SHA2:  # SHA256(password) XOR SHA256(SHA256(SHA256(password)), nonce)
        once = hashlib.sha256(password).digest()
        return _xor(once, hashlib.sha256(hashlib.sha256(once).digest() + nonce[:size]).digest())
    if plugin == ED25519:
        return sign(password, nonce[:size])
    raise ValueError("a plugin that is not known")


def encrypted(password: bytes, nonce: bytes, pem: bytes) -> bytes:
    """Encrypt the password for the server's RSA key: OAEP with SHA-1, of the password and a zero, XOR the nonce.

    ValueError for a key that is none, or of an unusual size.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 (17 ms, for the first log-in of a user)
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415

    try:
        key = serialization.load_pem_public_key(pem)
    except UnsupportedAlgorithm as error:
        raise ValueError("a key of another kind") from error
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size not in _RSA_BITS:
        raise ValueError("a key of an unusual kind or size")
    ended = password + b"\0"
    hidden = _xor(ended, (nonce[:_NONCE] * (len(ended) // _NONCE + 1))[: len(ended)])
    sha1 = hashes.SHA1()  # noqa: S303 (what the protocol has)
    return key.encrypt(hidden, padding.OAEP(padding.MGF1(sha1), sha1, None))


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
