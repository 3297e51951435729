"""Puts the ledger's checkpoint to all anchors at once, and says in the ledger where it went."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from wrapper.anchors.choosing import parse_anchor
from wrapper.audit import notes, proofs
from wrapper.audit.anchored import Anchor, Receipt
from wrapper.audit.entries import Anchored
from wrapper.audit.format import TruncatedError
from wrapper.audit.ledger import Ledger, read
from wrapper.errors import AuditError


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one anchor: a receipt, or why there is none."""

    where: str
    receipt: Receipt | None
    error: AuditError | None


def anchor_all(texts: Sequence[str], state: Path, *, clock: Callable[[], float] = time.time) -> list[Outcome]:
    """Put the checkpoint of now to each of `texts` (as a policy names anchors), in their order, all at the same time.

    `state` is the folder that ends in `safe-agent`. What one anchor answers stops none of the others. Raises
    AuditError only where there is no ledger, or it cannot be written.
    """
    if not texts:
        return []
    folder = state / "ledger"
    ledger = Ledger(folder, clock=clock)
    note = ledger.note()
    with ThreadPoolExecutor(len(texts), "anchor") as pool:
        outcomes = list(pool.map(lambda text: _outcome(text, state, ledger, note), texts))
    done = [one for one in outcomes if one.receipt is not None]
    if done:
        at = clock()
        ledger.append(
            *(Anchored(at, one.where, one.receipt.size, one.receipt.root.hex()) for one in done if one.receipt)
        )
    return outcomes


def _outcome(text: str, state: Path, ledger: Ledger, note: str) -> Outcome:
    try:
        return Outcome(text, put(parse_anchor(text, state), ledger, state / "ledger", note), None)
    except AuditError as error:
        return Outcome(text, None, error)


def put(anchor: Anchor, ledger: Ledger, folder: Path, note: str) -> Receipt:
    """Put one note; where the anchor has a longer ledger, it may be that another session was faster: try once more."""
    try:
        return anchor.put(note, prover(folder, note))
    except TruncatedError:
        newer = ledger.note()
        if newer == note:
            raise
        return anchor.put(newer, prover(folder, newer))


def prover(folder: Path, note: str) -> Callable[[int], list[bytes]]:
    """Return what proves that the noted tree goes on from an earlier one; the ledger is read only if it is asked."""

    def prove(old: int) -> list[bytes]:
        checkpoint = notes.parse(note).checkpoint
        segment = next(one for one in read(folder).segments if one.origin == checkpoint.origin)
        return proofs.consistency(segment.leaves[: checkpoint.size], old)

    return prove
