"""Hunks as lines of text and as JSON; pure. Nothing of a file passes as it is: a terminal would act on it."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from wrapper.provenance.judgements import Judged, Said
from wrapper.review.render import printable
from wrapper.review.times import moment

if TYPE_CHECKING:
    from wrapper.provenance.model import Emission, Fault
    from wrapper.provenance.publishing import Gate, Unapproved
    from wrapper.provenance.reviewing import Found, Review

VERSION = 1


def lines(found: "Sequence[Found]") -> Iterator[str]:
    """Yield a line for each hunk: id, place, how many lines, whose, of which session and model, what was said of it."""
    for one in found:
        count = len(one.hunk.lines)
        of = f"{count} line{'s' * (count > 1)} {one.hunk.state.value}"
        by = [f"session {one.sources[0].session} {one.sources[0].model}".rstrip()] if one.sources else []
        said = [f"{one.said.verdict.value} by {one.said.user}{_because(one.said)}"] if one.said else []
        yield f"{one.id}  {printable(one.place)}  {printable(', '.join([of, *by, *said]))}"


def _because(said: Judged) -> str:
    return f" ({said.reason})" if said.reason else ""


def unapproved(one: "Unapproved") -> str:
    """Say one place that nobody has approved."""
    return f"{printable(one.path)}:{one.first}-{one.last}  {one.state}{', rejected' * one.rejected}"


def document(review: "Review", faults: "Iterable[Fault]") -> str:
    """Return all of a review as one JSON object; times in seconds since the epoch and as text, lines from 1.

    `faults`: of the review, of the index and of the approvals.
    """
    return _json({
        "version": VERSION,
        "left": len(review.left),
        "hunks": [_hunk(one) for one in review.found],
        "faults": [fault._asdict() for fault in faults],
    })  # fmt: skip


def gated(gate: "Gate") -> str:
    """Return what a server found as one JSON object."""
    return _json({
        "version": VERSION,
        "left": [one._asdict() for one in gate.left],
        "seen": gate.spans,
        "faults": [fault._asdict() for fault in gate.faults],
    })  # fmt: skip


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1)  # ASCII only: names that are no UTF-8 stay apart, and nothing acts


def _hunk(found: "Found") -> dict[str, Any]:
    return {
        "id": found.id,
        "path": found.path,
        "first": found.hunk.first + 1,
        "last": found.hunk.last + 1,
        "lines": [number + 1 for number in found.hunk.lines],
        "state": found.hunk.state.value,
        "coverage": round(found.hunk.coverage, 3),
        "approved": found.is_approved,
        "said": _said(found.said),
        "sources": [_source(source) for source in found.sources],
    }


def _said(said: Said) -> dict[str, Any] | None:
    if said is None:
        return None
    return {
        "verdict": said.verdict.value,
        "user": said.user,
        "at": said.at,
        "time": moment(said.at),
        "reason": said.reason,
        "digest": said.digest,
    }


def _source(source: "Emission") -> dict[str, Any]:
    names = ("session", "at", "sequence", "request", "prompt", "model", "agent", "tool", "origin")
    return {"kind": source.kind.value, **{name: getattr(source, name) for name in names}}
