"""The envelope around a log key: an age v1 file for X25519 recipients (https://age-encryption.org/v1).

Only what a key file needs: the payload is small and held in memory; other recipient types are skipped when reading.
Files written here open with the stock `age` tool and the other way round.
"""

import base64
import binascii
import hmac
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from wrapper.audit import bech32
from wrapper.audit.format import NoKeyError
from wrapper.errors import AuditError

RECIPIENT_PREFIX: Final = "age"
IDENTITY_PREFIX: Final = "age-secret-key-"

_INTRO: Final = b"age-encryption.org/v1"
_WRAP_INFO: Final = b"age-encryption.org/v1/X25519"
_FILE_KEY: Final = 16
_CHUNK: Final = 65536
_LAST: Final = b"\x01"
_ZERO_NONCE: Final = bytes(12)  # every key below wraps one message only (age v1, "X25519 recipient stanza")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]*")
_ARGUMENT: Final = re.compile(rb"[\x21-\x7e]+")
_COLUMNS: Final = 64


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
        if prefix != IDENTITY_PREFIX or len(secret) != 32:
            raise AuditError("the private key is not an X25519 age identity")
        return cls(secret)

    def text(self) -> str:
        """Return the line that `age-keygen` would write."""
        return bech32.encode(IDENTITY_PREFIX, self.secret).upper()

    def recipient(self) -> str:
        """Return the public half, `age1…`."""
        public = X25519PrivateKey.from_private_bytes(self.secret).public_key().public_bytes_raw()
        return bech32.encode(RECIPIENT_PREFIX, public)


class _Stanza(NamedTuple):
    arguments: tuple[bytes, ...]
    body: bytes


def public_key(recipient: str) -> bytes:
    """Return the 32 bytes of an `age1…` recipient. Raises AuditError where it is none."""
    prefix, public = bech32.decode(recipient.strip())
    if prefix != RECIPIENT_PREFIX or len(public) != 32:
        raise AuditError(f"`{recipient}` is not an X25519 age recipient", hint="it must look like `age1…`")
    return public


def encrypt(recipients: Sequence[str], plaintext: bytes) -> bytes:
    """Return an age file that each of `recipients` can open. Raises AuditError where one is not usable."""
    if not recipients:
        raise AuditError("the log has no recipient", hint="run `safe-agent keys make`")
    file_key = os.urandom(_FILE_KEY)
    header = _INTRO + b"\n" + b"".join(_wrap(file_key, recipient) for recipient in recipients) + b"---"
    mac = hmac.digest(_derive(file_key, b"", b"header"), header, "sha256")
    seed = os.urandom(16)
    cipher = ChaCha20Poly1305(_derive(file_key, seed, b"payload"))
    pieces = [plaintext[start : start + _CHUNK] for start in range(0, len(plaintext), _CHUNK)] or [b""]
    sealed = (
        cipher.encrypt(_chunk_nonce(number, last=number == len(pieces) - 1), piece, None)
        for number, piece in enumerate(pieces)
    )
    return header + b" " + _encode64(mac) + b"\n" + seed + b"".join(sealed)


def decrypt(data: bytes, identities: Iterable[Identity]) -> bytes:
    """Open an age file. Raises NoKeyError where no identity is among its recipients, AuditError where it is damaged."""
    stanzas, header, mac, start = _parse(data)
    file_key = _unwrap(stanzas, identities)
    if not hmac.compare_digest(hmac.digest(_derive(file_key, b"", b"header"), header, "sha256"), mac):
        raise _damaged("its header was changed")
    return _payload(file_key, data[start:])


def _wrap(file_key: bytes, recipient: str) -> bytes:
    public = public_key(recipient)
    ephemeral = X25519PrivateKey.generate()
    share = ephemeral.public_key().public_bytes_raw()
    try:
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:  # a point of low order: the secret would be known to all
        raise AuditError(f"`{recipient}` is not a safe recipient") from error
    wrapped = ChaCha20Poly1305(_derive(shared, share + public, _WRAP_INFO)).encrypt(_ZERO_NONCE, file_key, None)
    return b"-> X25519 " + _encode64(share) + b"\n" + _encode64(wrapped) + b"\n"


def _unwrap(stanzas: Sequence[_Stanza], identities: Iterable[Identity]) -> bytes:
    ours = [stanza for stanza in stanzas if stanza.arguments[0] == b"X25519"]
    if any(stanza.arguments[0] == b"scrypt" for stanza in stanzas) and len(stanzas) != 1:
        raise _damaged("a passphrase stands beside other recipients")
    for identity in identities:
        private = X25519PrivateKey.from_private_bytes(identity.secret)
        for stanza in ours:
            key = _open_stanza(stanza, private)
            if key is not None:
                return key
    raise NoKeyError(
        "the log is not encrypted to the key on this machine",
        hint="read it where one of the private keys of its recipients is",
    )


def _open_stanza(stanza: _Stanza, private: X25519PrivateKey) -> bytes | None:
    if len(stanza.arguments) != 2:
        raise _damaged("a recipient has the wrong number of arguments")
    share = _decode64(stanza.arguments[1])
    if len(share) != 32 or len(stanza.body) != _FILE_KEY + 16:
        raise _damaged("a recipient has the wrong length")
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(share))
    except ValueError as error:
        raise _damaged("a recipient holds a point of low order") from error
    salt = share + private.public_key().public_bytes_raw()
    try:
        return ChaCha20Poly1305(_derive(shared, salt, _WRAP_INFO)).decrypt(_ZERO_NONCE, stanza.body, None)
    except InvalidTag:
        return None


def _parse(data: bytes) -> tuple[list[_Stanza], bytes, bytes, int]:
    """Split a file into stanzas, the header's bytes under the MAC, the MAC, and where the payload begins."""
    line, position = _line(data, 0)
    if line != _INTRO:
        raise _damaged("it is not an age v1 file")
    stanzas: list[_Stanza] = []
    while True:
        start = position
        line, position = _line(data, start)
        if line.startswith(b"---"):
            break
        stanza, position = _stanza(line, data, position)
        stanzas.append(stanza)
    if not stanzas:
        raise _damaged("it has no recipient")
    mac = _decode64(line[4:])
    if not line.startswith(b"--- ") or len(mac) != 32:
        raise _damaged("its header has no MAC")
    return stanzas, data[: start + 3], mac, position


def _stanza(first: bytes, data: bytes, position: int) -> tuple[_Stanza, int]:
    arguments = tuple(first[3:].split(b" "))
    if not first.startswith(b"-> ") or not all(_ARGUMENT.fullmatch(argument) for argument in arguments):
        raise _damaged("a recipient cannot be read")
    body = b""
    while True:
        line, position = _line(data, position)
        if len(line) > _COLUMNS:
            raise _damaged("a line of its header is too long")
        body += line
        if len(line) < _COLUMNS:  # a full line is always followed by a shorter one, if need be an empty one
            return _Stanza(arguments, _decode64(body)), position


def _line(data: bytes, start: int) -> tuple[bytes, int]:
    end = data.find(b"\n", start)
    if end < 0:
        raise _damaged("it ends inside its header")
    return data[start:end], end + 1


def _payload(file_key: bytes, sealed: bytes) -> bytes:
    seed, sealed = sealed[:16], sealed[16:]
    if len(seed) < 16 or not sealed:
        raise _damaged("it ends before its content")
    cipher = ChaCha20Poly1305(_derive(file_key, seed, b"payload"))
    size = _CHUNK + 16
    count = -(-len(sealed) // size)
    pieces = []
    for number in range(count):
        last = number == count - 1
        try:
            piece = cipher.decrypt(_chunk_nonce(number, last=last), sealed[number * size : (number + 1) * size], None)
        except InvalidTag as error:
            raise _damaged("its content was changed or cut") from error
        if last and not piece and number:
            raise _damaged("it ends in an empty chunk")
        pieces.append(piece)
    return b"".join(pieces)


def _chunk_nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (_LAST if last else b"\x00")


def _derive(secret: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt, info).derive(secret)


def _encode64(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _decode64(text: bytes) -> bytes:
    """Decode base64 without padding; only the canonical form, so that a file has one spelling."""
    if not _BASE64.fullmatch(text):
        raise _damaged("its header holds what is not base64")
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise _damaged("its header holds what is not base64") from error
    if _encode64(data) != text:
        raise _damaged("its header holds base64 that is not canonical")
    return data


def _damaged(how: str) -> AuditError:
    return AuditError(f"the key file is damaged: {how}")
