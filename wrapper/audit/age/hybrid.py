"""Post-quantum key pairs: ML-KEM-768 with X25519, `age1pq1…` and `AGE-SECRET-KEY-PQ-1…`.

https://c2sp.org/age ("MLKEM768-X25519"), which is HPKE (RFC 9180) with the KEM that is also known as X-Wing.
Imported where such a key is used, and only there: `cryptography` has it since version 50.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from wrapper.audit import bech32
from wrapper.audit.age.faults import HeaderError
from wrapper.audit.age.header import Stanza, decode64, encode64
from wrapper.audit.age.kinds import HYBRID_PREFIX, Recipient
from wrapper.audit.age.wrapping import WRAPPED
from wrapper.errors import AuditError

IDENTITY_PREFIX: Final = "age-secret-key-pq-"

_TYPE: Final = b"mlkem768x25519"
_INFO: Final = b"age-encryption.org/mlkem768x25519"
_SEED: Final = 32
_MLKEM_SEED: Final = 64
_MLKEM_PUBLIC: Final = 1184
_ENCAPSULATED: Final = 1120  # 1088 bytes of ML-KEM-768, then a point of X25519
_POINT: Final = 32


@dataclass(frozen=True, slots=True)
class HybridIdentity:
    """The private half of a hybrid key pair; its representation does not show the secret."""

    secret: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        """Make a new key pair."""
        return cls(os.urandom(_SEED))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an `AGE-SECRET-KEY-PQ-1…` line. Raises AuditError, which does not quote it."""
        prefix, secret = bech32.decode(text.strip())
        if prefix != IDENTITY_PREFIX or len(secret) != _SEED:
            raise AuditError("the private key is not a hybrid age identity")
        return cls(secret)

    def text(self) -> str:
        """Return the line that `age-keygen -pq` would write."""
        return bech32.encode(IDENTITY_PREFIX, self.secret).upper()

    def recipient(self) -> str:
        """Return the public half, `age1pq1…`."""
        mlkem, point = self._halves()
        public = mlkem.public_key().public_bytes_raw() + point.public_key().public_bytes_raw()
        return bech32.encode(HYBRID_PREFIX, public)

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """Return the file key where one of `stanzas` is for this key. Raises HeaderError."""
        found = (self._open(stanza) for stanza in stanzas if stanza.type == _TYPE)
        return next((key for key in found if key is not None), None)

    def _open(self, stanza: Stanza) -> bytes | None:
        if len(stanza.arguments) != 2:
            raise HeaderError("a recipient has the wrong number of arguments")
        encapsulated = decode64(stanza.arguments[1])
        if len(encapsulated) != _ENCAPSULATED or len(stanza.body) != WRAPPED:
            raise HeaderError("a recipient has the wrong length")
        mlkem, point = self._halves()
        try:  # the HPKE of `cryptography` says of such a point only that nothing opens
            point.exchange(X25519PublicKey.from_public_bytes(encapsulated[-_POINT:]))
        except ValueError as error:
            raise HeaderError("a recipient holds a point of low order") from error
        try:
            return _suite().decrypt(encapsulated + stanza.body, hpke.MLKEM768X25519PrivateKey(mlkem, point), _INFO)
        except InvalidTag:
            return None

    def _halves(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        seeds = hashlib.shake_256(self.secret).digest(_MLKEM_SEED + _SEED)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(seeds[:_MLKEM_SEED])
        return mlkem, X25519PrivateKey.from_private_bytes(seeds[_MLKEM_SEED:])


def wrap_for(recipient: Recipient, file_key: bytes) -> Stanza:
    """Wrap `file_key` for an `age1pq1…`. Raises AuditError where it is not safe."""
    public = recipient.public
    try:
        mlkem = MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC])
        point = X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC:])
        sealed = _suite().encrypt(file_key, hpke.MLKEM768X25519PublicKey(mlkem, point), _INFO)
    except (ValueError, InvalidTag) as error:
        raise AuditError(f"`{recipient.text[:40]}…` is not a safe recipient") from error
    return Stanza((_TYPE, encode64(sealed[:_ENCAPSULATED])), sealed[_ENCAPSULATED:])


def _suite() -> hpke.Suite:
    return hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
