"""Key pairs of X25519: `age1…` and `AGE-SECRET-KEY-1…` (https://c2sp.org/age, "The X25519 recipient type")."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from wrapper.audit import bech32
from wrapper.audit.age.faults import HeaderError
from wrapper.audit.age.header import Stanza, decode64, encode64
from wrapper.audit.age.kinds import Recipient
from wrapper.audit.age.wrapping import WRAPPED, derive, unwrap, wrap
from wrapper.errors import AuditError

RECIPIENT_PREFIX: Final = "age"
IDENTITY_PREFIX: Final = "age-secret-key-"

_TYPE: Final = b"X25519"
_INFO: Final = b"age-encryption.org/v1/X25519"
_SIZE: Final = 32


@dataclass(frozen=True, slots=True)
class Identity:
    """The private half of a key pair; its representation does not show the secret."""

    secret: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        """Make a new key pair."""
        return cls(X25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an `AGE-SECRET-KEY-1…` line. Raises AuditError, which does not quote it."""
        prefix, secret = bech32.decode(text.strip())
        if prefix != IDENTITY_PREFIX or len(secret) != _SIZE:
            raise AuditError("the private key is not an X25519 age identity")
        return cls(secret)

    def text(self) -> str:
        """Return the line that `age-keygen` would write."""
        return bech32.encode(IDENTITY_PREFIX, self.secret).upper()

    def recipient(self) -> str:
        """Return the public half, `age1…`."""
        return bech32.encode(RECIPIENT_PREFIX, self._private().public_key().public_bytes_raw())

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """Return the file key where one of `stanzas` is for this key. Raises HeaderError."""
        private = self._private()
        found = (_open(stanza, private) for stanza in stanzas if stanza.type == _TYPE)
        return next((key for key in found if key is not None), None)

    def _private(self) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(self.secret)


def wrap_for(recipient: Recipient, file_key: bytes) -> Stanza:
    """Wrap `file_key` for an `age1…`. Raises AuditError where it is not safe."""
    public = recipient.public
    ephemeral = X25519PrivateKey.generate()
    share = ephemeral.public_key().public_bytes_raw()
    try:
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:  # a point of low order: the secret would be known to all
        raise AuditError(f"`{recipient.text}` is not a safe recipient") from error
    return Stanza((_TYPE, encode64(share)), wrap(derive(shared, share + public, _INFO), file_key))


def _open(stanza: Stanza, private: X25519PrivateKey) -> bytes | None:
    if len(stanza.arguments) != 2:
        raise HeaderError("a recipient has the wrong number of arguments")
    share = decode64(stanza.arguments[1])
    if len(share) != _SIZE or len(stanza.body) != WRAPPED:
        raise HeaderError("a recipient has the wrong length")
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(share))
    except ValueError as error:
        raise HeaderError("a recipient holds a point of low order") from error
    return unwrap(derive(shared, share + private.public_key().public_bytes_raw(), _INFO), stanza.body)
