"""Checks without a ledger that an entry stands in it; pure.

The ledger's signed note has the root over the frames of its running segment. An entry of that segment is shown by its
frame and the path from it to the root (RFC 6962). A segment that was left has its root in the first entry of the next
one, so an older entry is shown by a chain: that first entry in the running segment, the one before it, the entry.
"""

from typing import Final, NamedTuple

import msgspec

from wrapper.audit import entries, notes, proofs
from wrapper.audit import format as layout
from wrapper.audit.format import TamperedError

_PLAIN: Final = layout.Rules((layout.DATA,), (layout.PLAIN,))


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frame (its 16 bytes of header and its body), its number in its segment's tree, and the path to the root."""

    frame: bytes
    index: int
    path: tuple[bytes, ...]


Chain = tuple[Step, ...]


class Shown(NamedTuple):
    """An entry that stands in a ledger, and its number there."""

    sequence: int
    entry: entries.Entry


def shown(checkpoint: notes.Checkpoint, chain: Chain) -> Shown:
    """Prove the last step of a chain. Raises TamperedError where it is not in the tree of the checkpoint."""
    size, root, found = checkpoint.size, checkpoint.root, None
    for step in chain:
        if found is not None:
            size, root = left(found.entry)
        head, body = step.frame[: layout.FRAME_SIZE], step.frame[layout.FRAME_SIZE :]
        leaf = layout.leaf_hash(head, body)
        if len(head) != layout.FRAME_SIZE or not proofs.check_inclusion(leaf, step.index, size, step.path, root):
            raise TamperedError("an entry is not in the tree of the ledger's note")
        frame = layout.decode_frame_header(head, int.from_bytes(head[6:8]), int.from_bytes(head[8:]), _PLAIN)
        if frame.length != len(body):
            raise TamperedError("an entry of the ledger is not whole")
        found = Shown(frame.sequence, entries.decode(frame.sequence, body))
    if found is None:
        raise TamperedError("nothing shows that an entry stands in the ledger")
    return found


def left(entry: entries.Entry) -> tuple[int, bytes]:
    """Return size and root of the segment that was left, as the next one's first entry says; or TamperedError."""
    if not isinstance(entry, entries.Recovered) or entry.session:
        raise TamperedError("an entry does not say how a segment of the ledger was left")
    return entry.size, bytes.fromhex(entry.root)
