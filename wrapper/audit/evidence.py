"""Gathers from the machine's ledger what shows that it knew a session when that began."""

from pathlib import Path

from wrapper.audit import entries, notes, proofs
from wrapper.audit import format as layout
from wrapper.audit.disclosure import Evidence
from wrapper.audit.ledger import NOTE_PUB, Ledger
from wrapper.audit.scan import Frame, Walk, read_header
from wrapper.errors import AuditError


def evidence(folder: Path, header: bytes) -> Evidence:
    """Return what the ledger in `folder` has of the log whose prefix and header are `header`.

    Raises AuditError where there is no ledger, it cannot sign, or its running segment does not know the log.
    """
    note = Ledger(folder).note()
    checkpoint = notes.parse(note).checkpoint
    number = checkpoint.origin.rpartition("/")[2]
    frames = ledger_frames(folder / layout.segment_names(int(number))[1])[: checkpoint.size]
    digest = layout.header_hash(header).hex()
    index = next((at for at, frame in enumerate(frames) if _opens(frame, digest)), None)
    if index is None:
        raise AuditError("the ledger's running segment has no entry for this log")
    return Evidence(
        frame=frames[index].head + frames[index].body,
        index=index,
        path=proofs.inclusion([layout.leaf_hash(frame.head, frame.body) for frame in frames], index),
        note=note,
        key=_key(folder),
    )


def ledger_frames(log: Path) -> list[Frame]:
    """Read the frames of a segment of the ledger. Raises AuditError."""
    try:
        with log.open("rb") as stream:
            return [frame for frame, _ in Walk(stream, read_header(stream)).walk()]
    except OSError as error:
        raise AuditError(f"cannot read the ledger `{log}`: {error.strerror}") from error


def _opens(frame: Frame, digest: str) -> bool:
    if frame.kind != layout.DATA or frame.flags != layout.PLAIN:
        return False
    entry = entries.decode(frame.sequence, frame.body)
    return isinstance(entry, entries.Opened) and entry.header == digest


def _key(folder: Path) -> str:
    try:
        return (folder / NOTE_PUB).read_text().strip()
    except OSError as error:
        raise AuditError(f"cannot read the ledger's public key: {error.strerror}") from error
