"""How hunks look on the screen of `safe-agent review`; pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from wrapper.provenance.attribution import State
from wrapper.provenance.judgements import Verdict
from wrapper.review.app.painted import Line, Piece, clipped, said
from wrapper.review.times import moment

if TYPE_CHECKING:
    from wrapper.provenance.decisions import Decision
    from wrapper.provenance.model import Emission
    from wrapper.provenance.reviewing import Found

_AROUND: Final = 3  # lines of context, as in a diff
_MOST_PROMPT: Final = 1_500  # characters of what the user had asked for
_MARKS: Final[Mapping[Verdict, Piece]] = {
    Verdict.APPROVED: ("[a] ", "good"),
    Verdict.REJECTED: ("[r] ", "bad"),
}


def row(found: "Found", decision: "Decision | None", width: int) -> Line:
    """Paint a hunk in the list: what was decided (`(r)`: rejected before), where it is, how long, whose."""
    before: Piece = ("(r) ", "bad") if found.said is not None else ("[ ] ", "dim")
    mark = _MARKS[decision.verdict] if decision else before
    state = "agent" if found.hunk.state is State.AGENT else "edited"
    lines = len(found.hunk.lines)
    behind = f"{lines:>5} line{'s' if lines > 1 else ' '}  {state:<7}"
    room = max(width - len(mark[0]) - len(behind), 8)
    return mark, said(clipped(found.place, room, left=True)), (behind, "dim")


def text(found: "Found", decision: "Decision | None", prompt: str) -> Iterator[Line]:
    """Yield all of a hunk: what is known of it, then its lines (`+`, edited ones `~`) with some around."""
    hunk = found.hunk
    whose = f"{hunk.state.value}, {len(hunk.lines)} line{'s' * (len(hunk.lines) > 1)}"
    share = f", {hunk.coverage:.0%} of their tokens the agent's" if hunk.state is State.EDITED else ""
    yield said(found.place, "strong"), said(f"   {whose}{share}", "dim")
    if decision:
        reason = f": {decision.reason}" if decision.reason else ""
        tone = _MARKS[decision.verdict][1]
        yield (said(f"you: {decision.verdict.value}{reason} (not signed yet)", tone),)
    elif found.said is not None:
        word = found.said
        reason = f": {word.reason}" if word.reason else ""
        yield (said(f"{word.user} {word.verdict.value} it, {moment(word.at)}{reason}", "bad"),)
    elif any(found.words):
        known = sum(word is not None for word in found.words)
        yield (said(f"{known} of its {len(hunk.lines)} lines were approved before", "dim"),)
    for source in found.sources[:1]:
        yield (said(_source(source), "dim"),)
    others = {source.session for source in found.sources[1:]} - {found.sources[0].session} if found.sources else set()
    if others:
        yield (said(f"and of {', '.join(sorted(others))}", "dim"),)
    if prompt:
        cut = prompt if len(prompt) <= _MOST_PROMPT else f"{prompt[:_MOST_PROMPT]}…"
        asked = cut.splitlines() or [""]
        yield said("asked: ", "accent"), said(asked[0])
        yield from ((said(f"       {line}"),) for line in asked[1:])
    yield ()
    yield from _lines(found)


def _source(source: "Emission") -> str:
    by = " ".join(filter(None, (source.agent, source.model, source.tool)))
    claimed = f", claimed by {source.origin}" if source.origin else ""
    return f"session {source.session}, {moment(source.at)}{f', {by}' if by else ''}{claimed}"


def _lines(found: "Found") -> Iterator[Line]:
    first, last = found.hunk.first, found.hunk.last
    ours = frozenset(found.hunk.lines)
    for number in range(max(0, first - _AROUND), min(len(found.text), last + _AROUND + 1)):
        words = found.text[number].decode("utf-8", "replace").removesuffix("\r")
        if number in found.hunk.edited:
            mark, tone = "~", "hunk"
        elif number in ours:
            mark, tone = "+", "new"
        else:
            mark, tone = " ", "plain" if first <= number <= last else "dim"
        yield (f"{number + 1:>5} {mark} ", "dim"), said(words, tone)


def summary(left: Sequence["Found"], decisions: Mapping[str, "Decision"]) -> str:
    """Say in a line how far the person is."""
    approved = sum(one.verdict is Verdict.APPROVED for one in decisions.values())
    rejected = len(decisions) - approved
    decided = f"   to sign: {approved} approved, {rejected} rejected" if decisions else ""
    return f"Review   {len(left)} hunk{'' if len(left) == 1 else 's'} left{decided}"
