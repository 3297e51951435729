"""Whether the ledger still says what it said when its checkpoints were put out of this machine's reach.

A thief who has this machine has the ledger's key too: he can cut the ledger back, or write it anew from some point on,
and sign that. Only copies of earlier checkpoints that he cannot take back show it. Rules of this file:
1. Every note that an anchor holds counts, not the newest alone: a ledger written anew may be made to fit that one.
2. A note by another key, or of another ledger, is no accident to be skipped: whoever takes the key away leaves one.
   Where the key of the ledger is not at hand the roots are compared all the same: that can only raise more alarms.
3. What the ledger says to have put there must be there: an anchor that was emptied covers nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from wrapper.audit import notes
from wrapper.audit.entries import Anchored as AnchoredEntry
from wrapper.audit.format import TamperedError, Tree, TruncatedError
from wrapper.audit.ledger import Segment, View
from wrapper.errors import AuditError
from wrapper.policy.anchors import label

Prove = Callable[[int], list[bytes]]
"""Size of an earlier tree → the proof that the noted one begins with it (`proofs.consistency`)."""


class ForkedError(AuditError):
    """Two histories: the ledger is not the one whose checkpoint was put elsewhere."""

    exit_code = 14


class UnreachableError(AuditError):
    """An anchor cannot be reached, or does not take or give checkpoints now; this says nothing about the ledger."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an anchor now holds: a segment's `size` and `root`; `detail` says by which name it can be found there."""

    size: int
    root: bytes
    detail: str


class Anchor(Protocol):
    """A place outside that keeps checkpoints; raises UnreachableError, and AuditError where it is used wrongly.

    `where` is how the policy names it. `asks`: what it knows is learnt only by a `put`, which checks the ledger there.
    """

    @property
    def where(self) -> str:
        """How the policy names it."""

    @property
    def asks(self) -> bool:
        """Whether a `put` says more than `get`: the other side compares."""

    def put(self, note: str, prove: Prove) -> Receipt:
        """Keep a signed checkpoint. Returns when it is kept there; also where it was kept already.

        Raises ForkedError and TruncatedError where the other side has seen another or a longer ledger.
        """

    def get(self) -> list[str]:
        """Return the notes that are kept there, oldest first."""


class Anchored(NamedTuple):
    """What an anchor proves of a ledger: the first `size` frames of `segment`, and all segments before.

    `at` is when the last entry among them was written, in seconds since 1970-01-01 UTC. All 0: it holds nothing.
    """

    segment: int
    size: int
    at: float


def check(view: View, anchor: Anchor) -> Anchored:
    """Compare a proven ledger with all that `anchor` holds.

    Raises ForkedError, TruncatedError (the ledger is shorter than it was), TamperedError (a note that the ledger's key
    did not sign, or that is gone from the anchor) and UnreachableError.
    """
    return compare(view, anchor.get(), anchor.where, is_whole=not anchor.asks)


def compare(view: View, held: Iterable[str], where: str, *, is_whole: bool = True) -> Anchored:
    """Do as `check` with the notes that were got from the anchor `where`.

    `is_whole`: all that was ever put there must be among them.
    """
    by_segment: dict[int, dict[int, bytes]] = {}
    for one in held:
        segment, checkpoint = _checked(view, one, where)
        roots = by_segment.setdefault(segment.number, {})
        if roots.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root:
            raise ForkedError(_two_roots(checkpoint.size, segment, roots[checkpoint.size], checkpoint.root, where))
    for number, roots in by_segment.items():
        _compare(view.segment(number), roots, where)
    if is_whole:
        _require_all(view, by_segment, where)
    if not by_segment:
        return Anchored(0, 0, 0.0)
    newest = max(by_segment)
    size = max(by_segment[newest])
    return Anchored(newest, size, _covered_at(view, newest, size))


def _checked(view: View, note: str, where: str) -> tuple[Segment, notes.Checkpoint]:
    found = notes.parse(note)
    checkpoint = found.checkpoint
    segment = next((one for one in view.segments if one.origin == checkpoint.origin), None)
    if segment is None:
        raise _unknown(view, checkpoint, where)
    if segment.vkey:
        notes.verify(found, segment.vkey)
    return segment, checkpoint


def _unknown(view: View, checkpoint: notes.Checkpoint, where: str) -> AuditError:
    ledger, _, number = checkpoint.origin.rpartition("/")
    if ledger in {segment.origin.rpartition("/")[0] for segment in view.segments}:
        return TruncatedError(
            f"`{label(where)}` holds a checkpoint of segment {number} of the ledger, which is not here",
            hint="the ledger was cut back, or a copy from before was put in its place",
        )
    return ForkedError(
        f"`{label(where)}` holds a checkpoint of `{checkpoint.origin}`; the ledger here is `{view.origin}`",
        hint="the ledger was replaced by another with another key, or two machines use one anchor: give each its own",
    )


def _compare(segment: Segment, roots: dict[int, bytes], where: str) -> None:
    largest = max(roots)
    if largest > segment.size:
        raise TruncatedError(
            f"`{label(where)}` holds a checkpoint of {largest} frames of the ledger's segment {segment.number};"
            f" here are {segment.size}",
            hint="the ledger was cut back after that, or a copy from before was put in its place",
        )
    for size, root in _roots(segment.leaves[:largest], roots):
        if root != roots[size]:
            raise ForkedError(
                _two_roots(size, segment, root, roots[size], where),
                hint="somebody wrote the ledger anew from before that point on; the copy on the anchor is the witness",
            )


def _roots(leaves: Sequence[bytes], sizes: Iterable[int]) -> Iterable[tuple[int, bytes]]:
    """Yield the root at each of `sizes`, in their order, in one pass."""
    tree = Tree()
    for size in sorted(sizes):
        for leaf in leaves[tree.size : size]:
            tree.add(leaf)
        yield size, tree.root()


def _two_roots(size: int, segment: Segment, here: bytes, there: bytes, where: str) -> str:
    return (
        f"at {size} frames of segment {segment.number} the ledger here has the root {here.hex()},"
        f" and `{label(where)}` holds {there.hex()}"
    )


def _require_all(view: View, held: dict[int, dict[int, bytes]], where: str) -> None:
    roots = {root for of_segment in held.values() for root in of_segment.values()}
    for _, entry in view.entries:
        if isinstance(entry, AnchoredEntry) and entry.where == where and bytes.fromhex(entry.root) not in roots:
            raise TamperedError(
                f"`{label(where)}` no longer holds the checkpoint of {entry.size} frames that was put there",
                hint="somebody took it away there; other anchors and earlier checkpoints still prove what they cover",
            )


def _covered_at(view: View, segment: int, size: int) -> float:
    """Say when the newest entry among the first `size` frames of `segment`, or of an earlier one, was written."""
    bound = sum(one.size for one in view.segments if one.number < segment) + size
    return max((entry.at for sequence, entry in view.entries if sequence < bound), default=0.0)
