"""The frames of one append, made from the state that the last one left; pure but for the random key."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wrapper.audit import format as layout
from wrapper.audit.ledgerstate import State


def written(state: State, records: list[bytes]) -> tuple[bytes, State]:
    """Return the frames of `records` with a checkpoint behind them, and the state after them."""
    tree = state.tree()
    frames: list[bytes] = []
    for record in records:
        head = _head(state, len(record), layout.DATA, tree.size, layout.PLAIN)
        frames += (head, record)
        tree.add(layout.leaf_hash(head, record))
    successor = Ed25519PrivateKey.generate()
    head = _head(state, layout.CHECKPOINT_SIZE, layout.CHECKPOINT, tree.size)
    root, named = tree.root(), successor.public_key().public_bytes_raw()
    signer = Ed25519PrivateKey.from_private_bytes(state.key)
    body = root + named + signer.sign(layout.signed_message(state.digest, head, root, named))
    tip = layout.leaf_hash(head, body)
    tree.add(tip)
    data = b"".join((*frames, head, body))
    after = State(
        turn=state.turn + 1,
        ledger=state.ledger,
        segment=state.segment,
        first=state.first,
        digest=state.digest,
        size=tree.size,
        end=state.end + len(data),
        epoch=state.epoch + 1,
        tip=tip,
        peaks=tree.peaks,
        key=successor.private_bytes_raw(),
    )
    return data, after


def _head(state: State, length: int, kind: int, size: int, flags: int = 0) -> bytes:
    return layout.encode_frame_header(length, kind, state.epoch, state.first + size, flags)
