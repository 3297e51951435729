"""Checkpoints of a log as others read them: C2SP tlog-checkpoint, signed-note and tlog-cosignature (Ed25519).

A checkpoint is a text of three lines (origin, size, root) and perhaps more; a note is that text, an empty line and
lines of signatures. Rules of this file:
- What is signed is the text as it stands, so a text is read only in its one spelling: `text(parse(note).checkpoint)` is
  the text of the note, byte for byte.
- Signatures of keys that are not asked for are ignored (signed-note, "Signatures"): that is how witnesses add theirs.
- A signature that names the key which is asked for, and is not its signature, is an error even beside one that is good.

Sources: c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-cosignature, and for the form of the private key
golang.org/x/mod/sumdb/note.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from wrapper.audit.format import TamperedError
from wrapper.errors import AuditError

_NOTE: Final = 0x01  # signed-note: Ed25519 over the text
_COSIGNATURE: Final = 0x04  # tlog-cosignature: Ed25519 over a time and the text

_HASH_SIZE: Final = 32
_KEY_SIZE: Final = 32
_SIGNATURE_SIZE: Final = 64
_MAX_NOTE: Final = 1 << 20  # as Go's `note.Open`
_MAX_SIGNATURES: Final = 100  # as Go's `note.Open`; the specification asks for at least 16
_MAX_SIZE: Final = (1 << 63) - 1  # sizes and times are signed 64-bit numbers in other implementations

_NAME: Final = re.compile(r"[^\s+\x00-\x1f]+")
_LINE: Final = re.compile(r"[^\x00-\x1f]+")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_DASH: Final = "\N{EM DASH} "
_PRIVATE: Final = "PRIVATE+KEY+"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of one log: its name, how many leaves it has and the root over them (32 bytes).

    `extensions` are further lines, whose meaning is the log's own. Raises AuditError where it could not be read back.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lines = (self.origin, *self.extensions)
        if not (all(map(_LINE.fullmatch, lines)) and 0 <= self.size <= _MAX_SIZE and len(self.root) == _HASH_SIZE):
            raise AuditError("a checkpoint needs an origin in one line, a size and a root of 32 bytes")


class Signature(NamedTuple):
    """One line below a note: who says to have signed it (`name`, four bytes `key_id`), and the bytes."""

    name: str
    key_id: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint and the signatures that came with it, none of them checked."""

    checkpoint: Checkpoint
    signatures: tuple[Signature, ...]


def text(checkpoint: Checkpoint) -> str:
    """Return what is signed: the lines of a checkpoint, each with its line feed."""
    root = base64.b64encode(checkpoint.root).decode()
    return "".join(f"{line}\n" for line in (checkpoint.origin, checkpoint.size, root, *checkpoint.extensions))


def parse(note: str) -> Note:
    """Read a note. Raises TamperedError where it is no checkpoint with at least one line of a signature."""
    body, gap, lines = note.rpartition("\n\n")
    signatures = lines.split("\n")
    if len(note) > _MAX_NOTE or not gap or signatures.pop() or not 0 < len(signatures) <= _MAX_SIGNATURES:
        raise TamperedError("this is not a signed checkpoint")
    return Note(_checkpoint(body.split("\n")), tuple(_signature(line) for line in signatures))


def _checkpoint(lines: list[str]) -> Checkpoint:
    if len(lines) < 3 or not _NUMBER.fullmatch(lines[1]):
        raise TamperedError("the checkpoint does not begin with an origin, a size and a root")
    try:
        return Checkpoint(lines[0], int(lines[1]), _decode64(lines[2]), tuple(lines[3:]))
    except AuditError as error:
        raise TamperedError("the checkpoint has a line that cannot be one of a checkpoint") from error


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    data = _decode64(encoded)
    if not line.startswith(_DASH) or not _NAME.fullmatch(name) or len(data) <= 4:
        raise TamperedError("the checkpoint has a line below it that is no signature")
    return Signature(name, data[:4], data[4:])


def _decode64(encoded: str) -> bytes:
    try:
        data = base64.b64decode(encoded.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise TamperedError("the checkpoint holds what is not base64") from error
    if base64.b64encode(data).decode() != encoded:  # one spelling: what is signed must be what is read
        raise TamperedError("the checkpoint holds base64 that is not canonical")
    return data


class NoteKey:
    """An Ed25519 key that signs notes under `name`. Raises AuditError where that cannot be a key's name."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        if not _NAME.fullmatch(name):
            raise AuditError("the name of a key must be without spaces and `+`")
        self.name = name
        self._private = private

    @classmethod
    def generate(cls, name: str) -> Self:
        """Make a new key."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def parse(cls, encoded: str) -> Self:
        """Read what `encoded` gave. Raises AuditError where it is not that."""
        name, _, rest = encoded.strip().removeprefix(_PRIVATE).partition("+")
        key_id, _, seed = rest.partition("+")
        try:
            data = _decode64(seed)
        except TamperedError as error:
            raise AuditError("this is not a key for notes") from error
        if not encoded.startswith(_PRIVATE) or len(data) != 1 + _KEY_SIZE or data[0] != _NOTE:
            raise AuditError("this is not a key for notes")
        key = cls(name, Ed25519PrivateKey.from_private_bytes(data[1:]))
        if key.key_id.hex() != key_id:
            raise AuditError("this key for notes was changed")
        return key

    def encoded(self) -> str:
        """Return the private half in one line, as Go's `note.GenerateKey` writes it."""
        data = bytes([_NOTE]) + self._private.private_bytes_raw()
        return f"{_PRIVATE}{self.name}+{self.key_id.hex()}+{base64.b64encode(data).decode()}"

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public half."""
        return self._private.public_key().public_bytes_raw()

    @property
    def key_id(self) -> bytes:
        """The four bytes by which a signature names this key."""
        return _key_id(self.name, _NOTE, self.public)

    def vkey(self) -> str:
        """Return the public half in one line, by which others verify."""
        data = bytes([_NOTE]) + self.public
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(data).decode()}"

    def signature(self, message: str) -> bytes:
        """Sign a text."""
        return self._private.sign(message.encode())


def sign(message: str, key: NoteKey) -> str:
    """Return the line that goes below a text (`text`), behind an empty line."""
    data = base64.b64encode(key.key_id + key.signature(message)).decode()
    return f"{_DASH}{key.name} {data}\n"


class _Verifier(NamedTuple):
    name: str
    key_id: bytes
    algorithm: int
    key: Ed25519PublicKey


def verify(note: Note, vkey: str) -> None:
    """Check that the key `vkey` signed the note, as its log or as a witness.

    Raises TamperedError where it did not, AuditError where `vkey` is not one.
    """
    _check(note, _verifier(vkey))


def witnessed_at(note: Note, vkey: str) -> int:
    """Return when the witness `vkey` signed the note, in seconds since 1970-01-01 UTC; the latest, where it did twice.

    Raises TamperedError where it did not, AuditError where `vkey` is not a witness's key.
    """
    verifier = _verifier(vkey)
    if verifier.algorithm != _COSIGNATURE:
        raise AuditError(f"`{verifier.name}` is not the key of a witness")
    return max(int.from_bytes(signature.data[:8], "big") for signature in _check(note, verifier))


def _check(note: Note, verifier: _Verifier) -> list[Signature]:
    """Return the signatures of one key, at least one, all of them good."""
    message = text(note.checkpoint)
    own = [one for one in note.signatures if (one.name, one.key_id) == (verifier.name, verifier.key_id)]
    if not own:
        raise TamperedError(f"the checkpoint is not signed by `{verifier.name}`")
    for signature in own:
        try:
            verifier.key.verify(*_signed(signature.data, verifier.algorithm, message))
        except InvalidSignature as error:
            raise TamperedError(f"the checkpoint's signature by `{verifier.name}` is not valid") from error
    return own


def _signed(data: bytes, algorithm: int, message: str) -> tuple[bytes, bytes]:
    """Return the bare signature, and what it must be over."""
    if algorithm == _NOTE:
        return data, message.encode()
    at = int.from_bytes(data[:8], "big")
    if len(data) != 8 + _SIGNATURE_SIZE or at > _MAX_SIZE:
        raise InvalidSignature
    return data[8:], f"cosignature/v1\ntime {at}\n{message}".encode()


def _verifier(vkey: str) -> _Verifier:
    name, _, rest = vkey.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        data = _decode64(encoded)
    except TamperedError as error:
        raise AuditError(f"`{vkey}` is not a verifier key") from error
    if not _NAME.fullmatch(name) or len(data) != 1 + _KEY_SIZE or data[0] not in (_NOTE, _COSIGNATURE):
        raise AuditError(f"`{vkey}` is not a verifier key", hint="it must be `NAME+ID+KEY`, of an Ed25519 key")
    if _key_id(name, data[0], data[1:]).hex() != key_id:
        raise AuditError(f"`{vkey}` is not a verifier key: its id is not that of its key")
    return _Verifier(name, bytes.fromhex(key_id), data[0], Ed25519PublicKey.from_public_bytes(data[1:]))


def _key_id(name: str, algorithm: int, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([algorithm]) + public).digest()[:4]
