"""Gathers from the machine's ledger what shows to others that entries stand in it; `inclusion` checks it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from wrapper.audit import entries, notes, proofs
from wrapper.audit import format as layout
from wrapper.audit.evidence import ledger_frames
from wrapper.audit.ledger import Ledger
from wrapper.audit.scan import Frame
from wrapper.errors import AuditError
from wrapper.provenance.inclusion import Chain, Step, left


class Standing(NamedTuple):
    """The ledger's signed note of now, and the chain of each entry that was asked for, by its digest."""

    note: str
    chains: Mapping[str, Chain]


def standing(folder: Path, digests: Iterable[str]) -> Standing:
    """Gather what shows the approvals and statements with these digests. Raises AuditError where one is not there."""
    note = Ledger(folder).note()
    checkpoint = notes.parse(note).checkpoint
    wanted = dict.fromkeys(digests)
    chains: dict[str, Chain] = {}
    before: Chain = ()
    size = checkpoint.size
    for number in range(int(checkpoint.origin.rpartition("/")[2]), 0, -1):
        frames = ledger_frames(folder / layout.segment_names(number)[1])[:size]
        leaves = [layout.leaf_hash(frame.head, frame.body) for frame in frames]
        for index, frame in enumerate(frames):
            digest = _digest(frame)
            if digest in wanted and digest not in chains:
                chains[digest] = (*before, _step(frame, leaves, index))
        if len(chains) == len(wanted) or not frames or number == 1:
            break
        before = (*before, _step(frames[0], leaves, 0))
        size = left(entries.decode(frames[0].sequence, frames[0].body))[0]
    if missing := wanted.keys() - chains.keys():
        raise AuditError(f"the ledger has no entry for {min(missing)[:12]}…")
    return Standing(note, chains)


def _digest(frame: Frame) -> str:
    if frame.kind != layout.DATA or frame.flags != layout.PLAIN:
        return ""
    entry = entries.decode(frame.sequence, frame.body)
    return entry.digest if isinstance(entry, entries.Approved | entries.Published) else ""


def _step(frame: Frame, leaves: Sequence[bytes], index: int) -> Step:
    return Step(frame.head + frame.body, index, tuple(proofs.inclusion(leaves, index)))
