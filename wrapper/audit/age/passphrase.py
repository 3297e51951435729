"""A passphrase in place of a key pair (https://c2sp.org/age, "The scrypt recipient type")."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from wrapper.audit.age.faults import HeaderError
from wrapper.audit.age.header import Stanza, decode64, encode64
from wrapper.audit.age.wrapping import WRAPPED, unwrap, wrap

TYPE: Final = b"scrypt"

_SALT: Final = b"age-encryption.org/v1/scrypt"
_SALT_SIZE: Final = 16
_WORK: Final = 18  # the base-2 logarithm: about a second and 256 MiB, what the stock `age` takes
_MOST_WORK: Final = 22  # 4 GiB; more is refused, as the stock `age` does: a file must not exhaust its reader
_DECIMAL: Final = re.compile(rb"[1-9][0-9]{0,2}")


@dataclass(frozen=True, slots=True)
class Passphrase:
    """A passphrase that opens files, and closes them at the cost of 2^`work`."""

    words: str = field(repr=False)
    work: int = _WORK

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """Return the file key where it is this passphrase. Raises HeaderError."""
        found = (self._open(stanza) for stanza in stanzas if stanza.type == TYPE)
        return next((key for key in found if key is not None), None)

    def wrap(self, file_key: bytes) -> Stanza:
        """Wrap `file_key`; the stanza must be the only one of its file."""
        salt = os.urandom(_SALT_SIZE)
        return Stanza((TYPE, encode64(salt), b"%d" % self.work), wrap(self._key(salt, self.work), file_key))

    def _open(self, stanza: Stanza) -> bytes | None:
        if len(stanza.arguments) != 3:
            raise HeaderError("a passphrase has the wrong number of arguments")
        salt, work = decode64(stanza.arguments[1]), stanza.arguments[2]
        if len(salt) != _SALT_SIZE or len(stanza.body) != WRAPPED:
            raise HeaderError("a passphrase has the wrong length")
        if not _DECIMAL.fullmatch(work) or int(work) > _MOST_WORK:
            raise HeaderError("a passphrase asks for too much work")
        return unwrap(self._key(salt, int(work)), stanza.body)

    def _key(self, salt: bytes, work: int) -> bytes:
        return Scrypt(_SALT + salt, 32, 1 << work, 8, 1).derive(self.words.encode())
