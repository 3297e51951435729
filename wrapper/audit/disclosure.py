"""One record of a log with all that proves it, and nothing that opens another; `docs/disclosure.md` has the format.

Who has such a file needs no log, no key and no ledger. What `prove` has shown when it returns:
1. The file is written in the one way that its content can be: so a changed bit is a changed content.
2. Each checkpoint is signed by the key that the one before it named, the first by the key in the log's header.
3. The record's frame, and the one before it, stand in the tree that the last of these checkpoints signed, at the places
   that their numbers say. The place before is proven since the encryption is bound to it: AES-GCM alone would let who
   may choose that leaf choose another key, too.
4. The record's key opens the frame, and what comes out is an event.
5. With a ledger: its note is signed, and the entry by which the session was opened, with the hash of this header, is in
   the ledger's tree.
What it cannot show: who wrote the log (the first key is vouched for by the ledger alone, and that by whoever knows its
key), and what stands in other records, or that there are none.
"""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec
import zstandard
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from wrapper.audit import entries, events, notes, proofs, scan
from wrapper.audit import format as layout
from wrapper.audit.format import TamperedError
from wrapper.audit.material import Material
from wrapper.errors import AuditError

_NO_KEY: Final = bytes(32)
_KEY_SIZE: Final = 32
_MAX_FILE: Final = 1 << 30  # the largest record in base64 is 88 MiB; the rest is room for checkpoints, 200 bytes each


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That the ledger knew the session when it began: the frame of its entry, number `index` of the tree in `note`.

    `note` is the ledger's signed checkpoint, `key` the verifier key (C2SP signed-note) of who signed it.
    """

    frame: bytes
    index: int
    path: list[bytes]
    note: str
    key: str


class Disclosure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the file holds; bytes are in base64. A frame is its 16 bytes of header and its body."""

    format: Literal["safe-agent disclosure"] = "safe-agent disclosure"
    version: Literal[1] = 1
    header: bytes
    frame: bytes
    previous: bytes
    key: bytes
    path: list[bytes]
    previous_path: list[bytes]
    checkpoints: list[bytes]
    ledger: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Vouched:
    """What the ledger says: that it knew the session's log at `at`, in its tree of `size` frames named `origin`.

    `key` is the verifier key of its note, which the reader of the file has to know from elsewhere.
    """

    at: float
    origin: str
    size: int
    key: str


@dataclass(frozen=True, slots=True)
class Proven:
    """The record, where it stood, and the key (hex) that the log's header named for its first signature."""

    session: str
    segment: int
    created: float
    sequence: int
    event: events.AnyEvent
    checkpoints: int
    verification_key: str
    ledger: Vouched | None


@dataclass(frozen=True, slots=True)
class _Signed:
    """What the last checkpoint signed: the root over the first `size` frames, after the frame `after` of the epoch."""

    root: bytes
    size: int
    after: int


def disclose(material: Material, ledger: Evidence | None = None) -> Disclosure:
    """Make the file's content of what the log holds."""
    index = int.from_bytes(material.head[8:]) - _header(material.header)[1].first
    size = len(material.leaves) - 1  # the last one is the covering checkpoint's own
    leaves = material.leaves[:size]
    return Disclosure(
        header=material.header,
        frame=material.head + material.body,
        previous=material.previous,
        key=material.record_key,
        path=proofs.inclusion(leaves, index),
        previous_path=proofs.inclusion(leaves, index - 1) if index else [],
        checkpoints=[head + body for head, body in material.checkpoints],
        ledger=ledger,
    )


def encode(disclosure: Disclosure) -> bytes:
    """Return the bytes of the file: JSON, indented, the fields in their order, one line feed at the end."""
    return msgspec.json.format(msgspec.json.encode(disclosure), indent=2) + b"\n"


def decode(data: bytes) -> Disclosure:
    """Read a file. Raises AuditError where it is none, TamperedError where it is not written as `encode` writes."""
    if len(data) > _MAX_FILE:
        raise AuditError("the file is too large for the disclosure of one record")
    try:
        disclosure = msgspec.json.decode(data, type=Disclosure)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AuditError(f"this is no disclosure that is known here: {error}") from error
    if encode(disclosure) != data:
        raise TamperedError("the disclosure is not written as safe-agent writes it: it was changed")
    return disclosure


def prove(data: bytes) -> Proven:
    """Prove a file's record. Raises TamperedError where anything of it is wrong, AuditError where it is none."""
    disclosure = decode(data)
    version, header = _header(disclosure.header)
    digest = layout.header_hash(disclosure.header)
    signed = _signatures(disclosure, version, header, digest)
    frame = _frame(disclosure, version, header, signed)
    _places(disclosure, frame, header, digest, signed)
    if len(disclosure.key) != _KEY_SIZE:
        raise TamperedError("the record's key is none")
    record = scan.opened(frame, disclosure.key, disclosure.previous, zstandard.ZstdDecompressor())
    return Proven(
        session=header.session,
        segment=header.segment,
        created=header.created,
        sequence=frame.sequence,
        event=events.decode(record),
        checkpoints=len(disclosure.checkpoints),
        verification_key=header.verification_key,
        ledger=None if disclosure.ledger is None else _vouched(disclosure.ledger, header, digest),
    )


def _header(data: bytes) -> tuple[int, layout.LogHeader]:
    prefix = layout.decode_prefix(data[: layout.PREFIX_SIZE])
    text = data[layout.PREFIX_SIZE :]
    if len(text) != prefix.length:
        raise TamperedError("the log's header is not as long as it says")
    if prefix.version == 1:
        raise AuditError("a log of version 1 has one key for many records, so that none can be shown alone")
    header = layout.decode_header(text, prefix.version)
    if not header.recipients:
        raise TamperedError("this is no record of a session: its log is not encrypted")
    return prefix.version, header


def _signatures(disclosure: Disclosure, version: int, header: layout.LogHeader, digest: bytes) -> _Signed:
    """Follow the checkpoints from the header's key to the one that covers the record."""
    key, after, covering = bytes.fromhex(header.verification_key), header.first - 1, None
    for epoch, checkpoint in enumerate(disclosure.checkpoints):
        head, body = checkpoint[: layout.FRAME_SIZE], checkpoint[layout.FRAME_SIZE :]
        frame = _frame_header(head, epoch, layout.rules(header, version))
        is_last = epoch == len(disclosure.checkpoints) - 1
        if frame.kind == layout.DATA or frame.length != len(body) or not (frame.kind == layout.CHECKPOINT or is_last):
            raise TamperedError(f"frame {frame.sequence}: is not the checkpoint of epoch {epoch}")
        if covering is not None:
            after = covering.size + header.first
        if frame.sequence <= after:
            raise TamperedError(f"frame {frame.sequence}: the checkpoints are not in order")
        root, named, signature = body[:32], body[32:64], body[64:]
        try:
            message = layout.signed_message(digest, head, root, named)
            Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise TamperedError(f"frame {frame.sequence}: the checkpoint's signature is not valid") from error
        if (frame.kind == layout.END) != (named == _NO_KEY):
            raise TamperedError(f"frame {frame.sequence}: the checkpoint names a wrong next key")
        key, covering = named, _Signed(root, frame.sequence - header.first, after)
    if covering is None:
        raise TamperedError("the disclosure holds no signature")
    return covering


def _frame(disclosure: Disclosure, version: int, header: layout.LogHeader, signed: _Signed) -> scan.Frame:
    head, body = disclosure.frame[: layout.FRAME_SIZE], disclosure.frame[layout.FRAME_SIZE :]
    frame = _frame_header(head, len(disclosure.checkpoints) - 1, layout.rules(header, version))
    if frame.kind != layout.DATA or frame.length != len(body):
        raise TamperedError(f"frame {frame.sequence}: is not a whole record")
    if not signed.after < frame.sequence < signed.size + header.first:
        raise TamperedError(f"frame {frame.sequence}: is not in the epoch of the last checkpoint")
    return scan.Frame(frame.sequence, frame.kind, frame.flags, head, body)


def _frame_header(head: bytes, epoch: int, rules: layout.Rules) -> layout.FrameHeader:
    if len(head) != layout.FRAME_SIZE:
        raise TamperedError("a frame ends inside its header")
    return layout.decode_frame_header(head, epoch, int.from_bytes(head[8:]), rules)


def _places(
    disclosure: Disclosure, frame: scan.Frame, header: layout.LogHeader, digest: bytes, signed: _Signed
) -> None:
    """Prove that the frame, and the one before it, stand in the signed tree."""
    index = frame.sequence - header.first
    leaf = layout.leaf_hash(frame.head, frame.body)
    if not proofs.check_inclusion(leaf, index, signed.size, disclosure.path, signed.root):
        raise TamperedError(f"frame {frame.sequence}: is not in the tree that was signed")
    if index:
        before = (disclosure.previous, index - 1, signed.size, disclosure.previous_path, signed.root)
        follows = proofs.check_inclusion(*before)
    else:
        follows = disclosure.previous == digest and not disclosure.previous_path
    if not follows:
        raise TamperedError(f"frame {frame.sequence}: does not follow the frame that it names")


def _vouched(evidence: Evidence, header: layout.LogHeader, digest: bytes) -> Vouched:
    """Prove the ledger's part: note, tree, entry."""
    note = notes.parse(evidence.note)
    notes.verify(note, evidence.key)
    if len(note.signatures) != 1:
        raise TamperedError("the ledger's note has signatures that nobody can check here")
    checkpoint = note.checkpoint
    head, body = evidence.frame[: layout.FRAME_SIZE], evidence.frame[layout.FRAME_SIZE :]
    leaf = layout.leaf_hash(head, body)
    if not proofs.check_inclusion(leaf, evidence.index, checkpoint.size, evidence.path, checkpoint.root):
        raise TamperedError("the ledger's entry is not in the tree of its note")
    plain = layout.Rules((layout.DATA,), (layout.PLAIN,))
    frame = _frame_header(head, int.from_bytes(head[6:8]), plain)
    if frame.length != len(body):
        raise TamperedError("the ledger's entry is not whole")
    entry = entries.decode(frame.sequence, body)
    if not isinstance(entry, entries.Opened):
        raise TamperedError("the ledger's entry does not say that a session began")
    if (entry.session, entry.segment, entry.header) != (header.session, header.segment, digest.hex()):
        raise TamperedError("the ledger's entry is about another log")
    return Vouched(entry.at, checkpoint.origin, checkpoint.size, evidence.key)
