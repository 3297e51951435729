"""From what a person decided about hunks to the acts that are signed; pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from wrapper.errors import ProvenanceError
from wrapper.provenance.judgements import Block, Verdict

if TYPE_CHECKING:
    from wrapper.provenance.reviewing import Found

ALL: Final = "all"
MAX_REASON: Final = 500  # characters: a line or two; the ledger takes 64 KiB


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One decision: `at` in seconds since the epoch; `where` says of each block where it stood (`PATH:LINE`)."""

    verdict: Verdict
    user: str
    at: float
    reason: str
    blocks: tuple[Block, ...]
    where: tuple[str, ...] = ()

    @property
    def lines(self) -> int:
        """How many lines it is about."""
        return sum(len(block.codes) for block in self.blocks)


class Decision(NamedTuple):
    """What is to be said of a hunk."""

    verdict: Verdict
    reason: str = ""


def decide(found: Sequence["Found"], names: Iterable[str], decision: Decision) -> dict[str, Decision]:
    """Decide about hunks by id, its beginning, or `all`. Raises ProvenanceError where a name is no hunk, or several."""
    chosen: dict[str, Decision] = {}
    for name in names:
        if name == ALL and not found:
            raise ProvenanceError("there is no hunk to decide about", hint="`safe-agent review --list --all` has all")
        ids = {one.id for one in found if name == ALL or one.id.startswith(name)}
        if not ids or (name != ALL and (len(ids) > 1 or not name)):
            what = "names several hunks" if ids and name else "is no hunk here"
            raise ProvenanceError(f"`{name}` {what}", hint="`safe-agent review --list` names them")
        chosen |= dict.fromkeys(ids, decision)
    return chosen


def acts(found: Iterable["Found"], decisions: Mapping[str, Decision], user: str, at: float) -> list[Act]:
    """Return what is to be signed, one act for each verdict and reason. Raises ProvenanceError for a long reason."""
    groups: dict[Decision, list[Found]] = {}
    for one in found:
        if one.id in decisions:
            groups.setdefault(decisions[one.id], []).append(one)
    for decision in groups:
        if len(decision.reason) > MAX_REASON:
            raise ProvenanceError(f"a reason has at most {MAX_REASON} characters", hint="it stands in the ledger")
    return [
        Act(
            verdict=decision.verdict,
            user=user,
            at=at,
            reason=decision.reason,
            blocks=tuple(one.block for one in group),
            where=tuple(one.place.encode(errors="surrogateescape").decode(errors="replace") for one in group),
        )
        for decision, group in groups.items()
    ]
