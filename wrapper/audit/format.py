"""The layout of a log on disk, version 2; `docs/audit-format.md` describes it for a second implementation.

Rules of this file:
- A log is a prefix (magic, version, length), a JSON header, then frames; nothing stands between or after them.
- Every frame is a leaf of an RFC 6962 tree. A CHECKPOINT frame ends an epoch: it signs the root of all frames before
  it, and names the key of the next signature. An END frame is the last checkpoint of a session, a CONTINUED frame that
  of a segment which another one follows; only END makes a session sealed, so the signature covers the frame's own
  header (a CHECKPOINT turned into an END does not verify).
- Keys come from `ratchet`. This is pure: bytes in, values out; ciphers and signatures are in `segment` and `scan`.
- Logs of version 1, which had one segment and no compression, are read for ever and never written.
"""

import hashlib
import struct
from collections.abc import Iterable
from pathlib import PurePath
from typing import Annotated, Final, NamedTuple

import msgspec

from wrapper.errors import AuditError

MAGIC: Final = b"SAFEALOG"
VERSION: Final = 2
VERSIONS: Final = (1, 2)

KEY_FILE: Final = "000001.key.age"
LOG_FILE: Final = "000001.alog"

DATA: Final = 1
CHECKPOINT: Final = 2
END: Final = 3
CONTINUED: Final = 4

COMPRESSED: Final = 1  # flag: the record is a Zstandard frame (RFC 8878)
PLAIN: Final = 2  # flag: the record is not encrypted; in a log without recipients, and only there

MAX_HEADER: Final = 1 << 20  # a header is about 500 bytes plus 65 per recipient
MAX_RECORD: Final = 66 << 20  # bodies are logged up to 64 MiB; the rest is room for their headers
TAG_SIZE: Final = 16  # of AES-GCM
CHECKPOINT_SIZE: Final = 128  # root 32, next verification key 32, Ed25519 signature 64

# An epoch is what a thief of the writer's memory can forge: short, but a signature costs 65 µs
EPOCH_RECORDS: Final = 64
EPOCH_BYTES: Final = 1 << 18

_PREFIX: Final = struct.Struct(">8sHI")
_FRAME: Final = struct.Struct(">IBBHQ")
PREFIX_SIZE: Final = _PREFIX.size
FRAME_SIZE: Final = _FRAME.size

_COMMITMENT: Final = b"safe-agent alog v1 key commitment"
_SIGNED: Final = b"safe-agent alog v1 checkpoint\x00"


class TamperedError(AuditError):
    """The log is not what was written: `what` names the first frame that shows it, and how."""

    exit_code = 12


class TruncatedError(AuditError):
    """The log ends in the middle of a frame or of its header; what stands before is intact."""

    exit_code = 11


class NoKeyError(AuditError):
    """The log cannot be decrypted here: no reading key, not one of its recipients, or its key file was deleted."""

    exit_code = 13


# what is read from a header is printed in messages, so it must not carry control characters
_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")]
_Recipient = Annotated[str, msgspec.Meta(pattern=r"^age1[a-z0-9+._-]{1,4096}\Z")]
_Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


_HashOrNone = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?\Z")]


class LogHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a log says of itself before its first frame; hashes and keys in lower-case hex.

    `created` is seconds since the epoch, UTC. `key_file` is the SHA-256 of the key file's bytes, `key_commitment` that
    of the log key (`commitment`), `verification_key` the Ed25519 key of the first checkpoint's signature. A log that
    is not encrypted has no recipients, and neither hash.

    `previous` is the root over all frames of the segment before, empty for the first; `first` the sequence of this
    segment's first frame.
    """

    session: _Name
    segment: Annotated[int, msgspec.Meta(ge=1)]
    created: Annotated[float, msgspec.Meta(ge=0, le=253402300799)]  # up to the year 9999
    recipients: tuple[_Recipient, ...]
    key_file: _HashOrNone
    key_commitment: _HashOrNone
    verification_key: _Hash
    previous: _HashOrNone = ""
    first: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)] = 0

    def __post_init__(self) -> None:
        """Refuse what contradicts itself; msgspec reports it as a fault of the text."""
        if not bool(self.recipients) == bool(self.key_file) == bool(self.key_commitment):
            raise ValueError("recipients without a key file, or the other way round")
        if (self.segment == 1) != (self.previous == "") or (self.segment == 1 and self.first):
            raise ValueError("a segment must name the one before it, but the first")


class Position(NamedTuple):
    """How far a segment is: its number, its frames (the last checkpoint included) and the hex root over them."""

    segment: int
    size: int
    root: str


def segment_names(segment: int) -> tuple[str, str]:
    """Return the names of a segment's key file and log."""
    return f"{segment:06}.key.age", f"{segment:06}.alog"


def segment_number(name: str) -> int:
    """Return the number of the segment whose log has this file name; 0 where it is the name of none."""
    path = PurePath(name)
    number = int(path.stem) if path.suffix == ".alog" and path.stem.isascii() and path.stem.isdigit() else 0
    return number if number and segment_names(number)[1] == name else 0


def encode_header(header: LogHeader) -> bytes:
    """Return prefix and header as they begin a file. Raises AuditError where a value could not be read back."""
    text = msgspec.json.encode(header, order="sorted")
    try:
        decode_header(text, VERSION)
    except TamperedError as error:
        raise AuditError(f"`{header.session}` cannot be the id of a session, or a recipient is malformed") from error
    return _PREFIX.pack(MAGIC, VERSION, len(text)) + text


class Prefix(NamedTuple):
    """The format's version, and the length of the header that follows."""

    version: int
    length: int


def decode_prefix(prefix: bytes) -> Prefix:
    """Read the first `PREFIX_SIZE` bytes.

    Raises TruncatedError, TamperedError where this is no log, and AuditError where its version is not known here.
    """
    if len(prefix) < PREFIX_SIZE and MAGIC.startswith(prefix[: len(MAGIC)]):
        raise TruncatedError("the log ends inside its header")
    magic, version, length = _PREFIX.unpack(prefix) if len(prefix) == PREFIX_SIZE else (b"", 0, 0)
    if magic != MAGIC:
        raise TamperedError("this is not a safe-agent log", hint="its first bytes must be `SAFEALOG`")
    if version not in VERSIONS:
        raise AuditError(
            f"the log has format version {version}, this safe-agent knows versions 1 to {VERSION}",
            hint="read it with the safe-agent that wrote it, or a newer one",
        )
    if not 0 < length <= MAX_HEADER:
        raise TamperedError(f"the log's header claims {length} bytes")
    return Prefix(version, length)


def decode_header(text: bytes, version: int) -> LogHeader:
    """Read the JSON after the prefix. Raises TamperedError where it is not a header of `version`."""
    try:
        header = msgspec.json.decode(text, type=LogHeader)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TamperedError("the log's header is not one of this version") from error
    if version == 1 and (header.segment != 1 or not header.recipients):
        raise TamperedError("the log's header is not one of this version")
    return header


class FrameHeader(NamedTuple):
    """The 16 bytes before a frame's body: `epoch` counts modulo 65,536, `sequence` from 0."""

    length: int
    kind: int
    flags: int
    epoch: int
    sequence: int


class Rules(NamedTuple):
    """What the frames of one log may be: their types, and the flags of a DATA frame."""

    kinds: tuple[int, ...]
    flags: tuple[int, ...]


def rules(header: LogHeader, version: int) -> Rules:
    """Return the rules for a log of this header and version."""
    if version == 1:
        return Rules((DATA, CHECKPOINT, END), (0,))
    flags = (0, COMPRESSED) if header.recipients else (PLAIN, PLAIN | COMPRESSED)
    return Rules((DATA, CHECKPOINT, END, CONTINUED), flags)


def encode_frame_header(length: int, kind: int, epoch: int, sequence: int, flags: int = 0) -> bytes:
    """Return the 16 bytes before a body of `length` bytes."""
    return _FRAME.pack(length, kind, flags, epoch & 0xFFFF, sequence)


def decode_frame_header(head: bytes, epoch: int, sequence: int, allowed: Rules) -> FrameHeader:
    """Read a frame header that must be that of frame `sequence` in `epoch`. Raises TamperedError where it is not."""
    frame = FrameHeader(*_FRAME.unpack(head))
    if frame.kind not in allowed.kinds:
        raise TamperedError(f"frame {sequence}: unknown type {frame.kind}")
    if frame.sequence != sequence:
        raise TamperedError(f"frame {sequence}: carries number {frame.sequence}: dropped, repeated or moved")
    if frame.flags not in (allowed.flags if frame.kind == DATA else (0,)):
        raise TamperedError(f"frame {sequence}: unknown flags {frame.flags}")
    if frame.epoch != epoch & 0xFFFF:
        raise TamperedError(f"frame {sequence}: carries epoch {frame.epoch} where {epoch & 0xFFFF} runs")
    tag = 0 if frame.flags & PLAIN else TAG_SIZE
    if frame.kind == DATA and not tag <= frame.length <= MAX_RECORD + tag:
        raise TamperedError(f"frame {sequence}: claims {frame.length} bytes")
    if frame.kind != DATA and frame.length != CHECKPOINT_SIZE:
        raise TamperedError(f"frame {sequence}: a checkpoint of {frame.length} bytes")
    return frame


def nonce(sequence: int) -> bytes:
    """Return the AES-GCM nonce of frame `sequence`: unique, since the number never repeats under one key."""
    return sequence.to_bytes(12, "big")


def header_hash(header: bytes) -> bytes:
    """Hash prefix and header as they stand in the file."""
    return hashlib.sha256(header).digest()


def leaf_hash(head: bytes, body: bytes) -> bytes:
    """Hash a frame as a leaf (RFC 6962, section 2.1)."""
    digest = hashlib.sha256(b"\x00" + head)
    digest.update(body)
    return digest.digest()


def signed_message(header: bytes, head: bytes, root: bytes, next_key: bytes) -> bytes:
    """Return what a checkpoint signs; `header` is the header's hash, `head` the checkpoint's own frame header."""
    return _SIGNED + header + head + root + next_key


def commitment(log_key: bytes) -> bytes:
    """Bind the log to one key: AES-GCM alone would let a file decrypt under two."""
    return hashlib.sha256(_COMMITMENT + log_key).digest()


class Tree:
    """The root of an RFC 6962 tree that only grows; holds one hash per level.

    `size` and `peaks` of an earlier tree let it grow on.
    """

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self._peaks = list(peaks)

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """The roots of the perfect subtrees, largest first."""
        return tuple(self._peaks)

    def add(self, leaf: bytes) -> None:
        """Append the hash of one leaf."""
        self.size += 1
        carry = self.size
        while not carry & 1:
            leaf = hashlib.sha256(b"\x01" + self._peaks.pop() + leaf).digest()
            carry >>= 1
        self._peaks.append(leaf)

    def root(self) -> bytes:
        """Return the hash over all leaves; that of no leaves is the hash of nothing."""
        if not self._peaks:
            return hashlib.sha256().digest()
        root = self._peaks[-1]
        for peak in self._peaks[-2::-1]:
            root = hashlib.sha256(b"\x01" + peak + root).digest()
        return root
