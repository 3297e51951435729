"""What it takes to prove one record of a log to somebody who has nothing else of it."""

from pathlib import Path
from typing import NamedTuple

from wrapper.audit import format as layout
from wrapper.audit.scan import Walk
from wrapper.audit.seal import Opener
from wrapper.audit.segments import key_of, opened_segment, segment_numbers
from wrapper.errors import AuditError


class Material(NamedTuple):
    """One record as it stands in its segment, its key, and what ties it to the segment's signatures.

    `header` is prefix and header, `head` and `body` the record's frame, `previous` what its encryption is bound to (the
    leaf before it, or the header's hash), `record_key` opens this record alone. `leaves` are the leaf hashes of all
    frames of the segment up to the checkpoint that covers the record; `checkpoints` heads and bodies of all up to it.
    """

    header: bytes
    head: bytes
    body: bytes
    previous: bytes
    record_key: bytes
    leaves: list[bytes]
    checkpoints: list[tuple[bytes, bytes]]


def proof_material(directory: Path, identity: Opener, sequence: int) -> Material:
    """Gather what proves record `sequence` of the session in `directory`; what it gathers is itself proven.

    Raises as `reader.verify` does, and AuditError where there is no such record, where no signature covers it yet, or
    where the log is of version 1, which has no key of its own for a record.
    """
    for number in reversed(segment_numbers(directory)):
        with opened_segment(directory, number) as (stream, preface):
            if preface.header.first > sequence:
                continue
            if preface.version == 1:
                raise AuditError("a log of version 1 has one key for many records, so that none can be shown alone")
            start = stream.tell()
            key = key_of(directory, preface.header, identity)
            found = _gathered(Walk(stream, preface, key), sequence)
            stream.seek(0)
            return found._replace(header=stream.read(start))
    raise AuditError(f"there is no record {sequence}")


def _gathered(walk: Walk, sequence: int) -> Material:
    leaves: list[bytes] = []
    checkpoints: list[tuple[bytes, bytes]] = []
    found: Material | None = None
    for frame, key in walk.walk():
        if frame.sequence == sequence:
            if frame.kind != layout.DATA or key is None:
                raise AuditError(f"frame {sequence} is a signature, no record")
            found = Material(b"", frame.head, frame.body, walk.previous, key, leaves, checkpoints)
        leaves.append(layout.leaf_hash(frame.head, frame.body))
        if frame.kind != layout.DATA:
            checkpoints.append((frame.head, frame.body))
            if found is not None:
                return found
    if found is None:
        raise AuditError(f"there is no record {sequence}")
    raise AuditError(f"record {sequence} is not signed yet", hint="a running session signs within 200 ms")
