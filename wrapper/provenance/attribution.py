"""Whose each line of a text is: the agent's, the agent's as a person edited it, a person's, or nobody can say; pure.

The text's content decides, not where it stands: it is joined with the index of what agents wrote, so moves, copies and
rewritten histories change nothing. Rules of this file:
1. A line that an emission of an agent's has, as something new in it, is the agent's. Lines that say nothing by
   themselves (`}`, a blank one) are what the lines around them are.
2. A line in a gap between lines of one emission is `agent-edited` if enough of what stood there is left in it; so is
   one that aligned fingerprints cover (reformatted, renamed), and one that was the agent's in an earlier version.
3. A line that was committed before an emission was made is not from it. Committer times count, never authors'.
4. `human` needs evidence: committed before the first captured session, or made while one watched, by nobody inside.
5. What is neither is `unknown`. Where the index may lack emissions, absence proves nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from redactors.tokens import tokenise
from wrapper.provenance.alignment import words
from wrapper.provenance.gaps import LEAST, NOTHING, Room, edits, share
from wrapper.provenance.model import Codes, Flag, Kind
from wrapper.provenance.pairing import Flags, Known, Pairs, Places, pairs, precedes, times
from wrapper.provenance.splits import splits

if TYPE_CHECKING:
    from wrapper.provenance.matching import Matcher, Span

NOBODY: Final = -1
"""Where a line is from no emission."""

_WATCHED: Final = frozenset({Kind.TEXT, Kind.INPUT, Kind.WRITE})
_RENAMED: Final = 0.5  # of a sketch, above which a line of the same shape is the same line with another name
_AROUND: Final = 12  # lines around an open one in which a span may begin or end
_FEW: Final = 4  # different words, below which that may be chance
_ALONG: Final = 3  # different shapes of lines that run along an emission: then shape alone says so


class State(StrEnum):
    """Whose a line is."""

    AGENT = "agent"
    EDITED = "agent-edited"
    HUMAN = "human"
    UNKNOWN = "unknown"


class LineOrigin(NamedTuple):
    """Whose a line is, by which emission (its number in the pack, or `NOBODY`), and why.

    `coverage`: which share of the line's tokens is the agent's, 0 to 1. `because`: a few words, the same in `--json`.
    """

    state: State
    emission: int
    coverage: float
    because: str


class Former(NamedTuple):
    """What a line (its number in the text, from 0) said in an earlier version of its file."""

    line: int
    text: bytes


def no_formers(_lines: Sequence[int]) -> Sequence[Former]:
    """Know of no earlier versions."""
    return ()


def nothing_there(_session: str) -> None:
    """Know nothing of what git had when a session began."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """What is known of a text's lines besides what they say.

    `committed`: for each line the committer time (seconds since the epoch) of the commit that gave it its text, `inf`
    where it is not committed or nobody knows; empty: of none. `first`: when the first session was captured in this
    workspace, `inf` if none was, `-inf` if nobody can say. `watched`: lines (numbers from 0) that can only have been
    made while a session watched, and saw the file written from outside. `is_whole`: no emission can be missing in the
    index. `sessions`: those of this workspace, which are preferred where several emissions have a line. `formers`
    finds what lines said before. `unproven`: of sessions, the lines whose commits git did not know when they began, so
    that their dates prove nothing against them; `undated`: those that it did not know when the first one began.
    `there`: see `pairing.pairs`. `is_cut`: an agent wrote into this file what nobody wrote down.
    """

    committed: Sequence[float] = ()
    watched: frozenset[int] = frozenset()
    first: float = inf
    is_whole: bool = True
    sessions: frozenset[str] = frozenset()
    formers: Callable[[Sequence[int]], Sequence[Former]] = no_formers
    unproven: Mapping[str, frozenset[int]] = field(default_factory=dict)
    undated: frozenset[int] = frozenset()
    there: Callable[[str], Flags | None] = nothing_there
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What a policy says: `[provenance]` `sticky`, `unwatched` and `claims`."""

    sticky: float = 0.3
    unwatched: State = State.UNKNOWN
    counts_claims: bool = False


def attributed(text: bytes, matcher: "Matcher", lineage: Lineage, rules: Rules) -> tuple[LineOrigin, ...]:
    r"""Say of each line of `text` (split at `\n`, a last empty one does not count) whose it is."""
    work = _Work(text, matcher, lineage, rules)
    work.same_lines()
    work.edited_lines()
    work.covered_lines()
    work.former_lines()
    work.other_lines()
    work.trivial_lines()
    return tuple(work.origins)


def lines_of(text: bytes) -> list[bytes]:
    r"""Cut a text into lines as everything here counts them: at `\n`, a last empty one does not count."""
    lines = text.split(b"\n")
    return lines if lines[-1] else lines[:-1]


class _Work:
    """The steps of one attribution. `origins`: what is found so far; `UNKNOWN` without a reason: nothing yet."""

    def __init__(self, text: bytes, matcher: "Matcher", lineage: Lineage, rules: Rules) -> None:
        self.text = text
        self.lines = lines_of(text)
        self.matcher = matcher
        self.lineage = lineage
        self.rules = rules
        self.committed = times(lineage.committed, len(self.lines))
        self.known = Known(matcher.pack, lineage.sessions)
        self.matches = matcher.lines(text)
        self.there: dict[str, Flags | None] = {}
        found = pairs(self.matches, self.known, self.committed, lineage.unproven, self.had)
        self.pairs = found.where(found.facts.of_kinds(self.counted))
        self.claims = found.where(found.facts.of_kinds({Kind.CLAIM}) & found.exact & (found.own | found.too_late))
        self.earlier = set(found.line[found.exact & found.too_late].tolist())
        self.given = set(found.line[found.exact].tolist()) - self.earlier
        self.origins: list[LineOrigin] = [_NOTHING] * len(self.lines)
        self.replaced: set[int] = set()  # lines that stand in an agent's line's place, and have nothing of it
        self.numbers: dict[int, int] = {}  # of agent lines: which row of their emission they are

    @property
    def counted(self) -> frozenset[Kind]:
        """Whose emissions make a line the agent's."""
        return _WATCHED | {Kind.CLAIM} if self.rules.counts_claims else _WATCHED

    @property
    def opened(self) -> Flags:
        """Which lines are open: nothing is known of them yet, and they say something."""
        open_ones = [origin is _NOTHING for origin in self.origins]
        return np.array(open_ones, np.bool_) & ~self.matches.trivial

    def put(self, line: int, state: State, emission: int, coverage: float, because: str) -> None:
        """Say whose a line is, if nothing better has been said."""
        former = self.origins[line]
        if former.state is not State.AGENT and (former is _NOTHING or coverage > former.coverage):
            if self.known.is_claim(emission):
                because = "claimed"
            self.origins[line] = LineOrigin(state, emission, round(min(coverage, 1.0), 3), because)

    def same_lines(self) -> None:
        """Find lines as they were emitted."""
        best = self.pairs.where(self.pairs.exact & self.pairs.own).best()
        self.numbers = dict(zip(best.line.tolist(), best.number.tolist(), strict=True))
        for line, emission in zip(best.line.tolist(), best.emission.tolist(), strict=True):
            self.put(line, State.AGENT, emission, 1.0, "same line")

    def edited_lines(self) -> None:
        """Find lines that were edited or renamed where they stand, and those of which the index knows a placeholder."""
        opened = self.opened
        if not opened.any():
            return
        for edit in edits(self.matches, self.pairs, opened, self.known, self.rules.sticky):
            if edit.number == NOTHING:
                self.replaced.add(edit.line)
            elif self.is_possible(edit.line, edit.emission):
                if edit.hidden:
                    self.put(edit.line, State.AGENT, edit.emission, 1.0, "around a hidden value")
                else:
                    self.put(edit.line, State.EDITED, edit.emission, edit.coverage, "edited since")
        for edit in splits(self.lines, self.sketched, self.pairs, opened, self.matches.trivial, self.known):
            if self.is_possible(edit.line, edit.emission):
                self.put(edit.line, State.EDITED, edit.emission, edit.coverage, "reformatted")
        self.renamed_lines(self.pairs.where(~self.pairs.exact & self.pairs.own & opened[self.pairs.line]))

    def sketched(self, texts: Sequence[bytes]) -> Codes:
        """Give the sketches of texts of one line each."""
        return self.matcher.lines(b"\n".join(texts) + b"\n").sketches

    def renamed_lines(self, shaped: Pairs) -> None:
        """Find lines of the same shape: with most words the same, or along the lines of an emission."""
        from wrapper.provenance.matching import likeness  # noqa: PLC0415 (a cycle of names only)

        alike = likeness(shaped.sketch, self.matches.sketches[shaped.line])
        certain = (alike >= _RENAMED) | (shaped.along >= _ALONG)
        best = shaped.where(certain).best()
        along = set(shaped.line[shaped.along >= _ALONG].tolist())
        likely = share(likeness(best.sketch, self.matches.sketches[best.line]))
        for line, emission, same in zip(best.line.tolist(), best.emission.tolist(), likely.tolist(), strict=True):
            coverage = structure(self.lines[line], same)
            if coverage >= self.rules.sticky and (line in along or len(words(self.lines[line])) >= _FEW):
                self.put(line, State.EDITED, emission, coverage, "renamed")

    def covered_lines(self) -> None:
        """Find lines whose tokens run along an emission's, whatever their names and line ends."""
        opened = self.opened
        if not opened.any():
            return
        starts = np.cumsum([0, *(len(line) + 1 for line in self.lines)])
        written = np.concatenate(([0], np.cumsum(_is_written(self.text))))
        room = Room(self.pairs, self.known)
        for span in self.spans_around(opened, starts):
            first = int(np.searchsorted(starts, span.start, side="right")) - 1
            last = int(np.searchsorted(starts, span.end, side="left"))
            because = "reformatted" if span.exact else "renamed"
            for line in (np.flatnonzero(opened[first:last]) + first).tolist():
                low, high = int(starts[line]), min(int(starts[line + 1]), len(self.text))
                whole = written[high] - written[low]
                coverage = float((written[min(span.end, high)] - written[max(span.start, low)]) / max(whole, 1))
                alike, is_same_shape = self.nearest(line, span.emission)
                if is_same_shape or not span.exact:
                    coverage *= structure(self.lines[line], float(share(np.array(alike))))
                foreign = alike < LEAST and not is_same_shape and (line in self.replaced or line in (first, last - 1))
                foreign |= not room.at(line, span.emission)
                if 0 < coverage >= self.rules.sticky and not foreign and self.is_possible(line, span.emission):
                    self.put(line, State.EDITED, span.emission, coverage, because)

    def spans_around(self, opened: Flags, starts: Places) -> Iterator["Span"]:
        """Yield spans of the agent's in and around open lines: what is known already need not be searched again."""
        near = np.zeros(opened.size + 1, np.int64)
        for line in np.flatnonzero(opened).tolist():
            near[max(line - _AROUND, 0)] += 1
            near[min(line + _AROUND + 1, opened.size)] -= 1
        wanted = np.concatenate(([False], np.cumsum(near[:-1]) > 0, [False]))
        edges = starts[np.flatnonzero(wanted[1:] != wanted[:-1])].tolist()
        pieces = list(zip(edges[::2], edges[1::2], strict=True))
        found = self.matcher.spans([self.text[start:end] for start, end in pieces])
        for (offset, _), spans in zip(pieces, found, strict=True):
            for span in spans:
                if self.known.is_of(span.emission, self.counted):
                    yield span._replace(start=span.start + offset, end=span.end + offset)

    def nearest(self, line: int, emission: int) -> tuple[float, bool]:
        """Tell how much a line is like the line of an emission that is most like it, and whether one has its shape.

        A run of shapes ends a few words into whatever comes behind it, and may go on behind a line that was replaced.
        """
        from wrapper.provenance.matching import likeness  # noqa: PLC0415 (a cycle of names only)

        rows = self.known.rows(emission)
        alike = likeness(self.matches.sketches[line : line + 1], rows["sketch"])
        return float(alike.max(initial=0.0)), bool((rows["shape"] == self.matches.shapes[line]).any())

    def former_lines(self) -> None:
        """Find lines that were the agent's in an earlier version of the file."""
        opened = self.opened
        formers = self.lineage.formers(np.flatnonzero(opened).tolist()) if opened.any() else ()
        if not formers:
            return
        # no line of the text is the same: only the former's own evidence counts, and it has no neighbours here
        before = pairs(
            self.matcher.lines(b"\n".join(former.text for former in formers) + b"\n"),
            self.known,
            times((), len(formers)),
        )
        best = before.where(before.exact & before.own & before.facts.of_kinds(self.counted)).best()
        for at, emission in zip(best.line.tolist(), best.emission.tolist(), strict=True):
            line = formers[at].line
            coverage = kept(formers[at].text, self.lines[line])
            if coverage and coverage >= self.rules.sticky and self.is_possible(line, emission):
                self.put(line, State.EDITED, emission, coverage, "edited since")

    def other_lines(self) -> None:
        """Find evidence of people, and claims, for what is left."""
        claims = self.claims.best()
        claimed = dict(zip(claims.line.tolist(), claims.emission.tolist(), strict=True))
        before = precedes(self.committed, np.array(self.lineage.first))
        for line, origin in enumerate(self.origins):
            if origin is _NOTHING:
                state, because = self.left(line, is_before=bool(before[line]))
                claim = claimed.get(line, NOBODY)
                because = "claimed" if claim != NOBODY and state is State.UNKNOWN else because
                self.origins[line] = LineOrigin(state, claim, 0.0, because)

    def left(self, line: int, *, is_before: bool) -> tuple[State, str]:
        """Say whose a line is that is not the agent's."""
        if is_before and line not in self.lineage.undated and self.lineage.first < inf:
            return State.HUMAN, "committed before the first session"
        if not self.lineage.is_whole or self.lineage.is_cut:
            because = "an agent wrote more here than is kept" if self.lineage.is_whole else "the index is not whole"
            return State.UNKNOWN, because
        if line in self.lineage.watched:
            return State.HUMAN, "written outside while a session watched"
        if line in self.earlier:
            return self.rules.unwatched, "committed before an agent wrote the same"
        if line in self.given:
            return self.rules.unwatched, "there before an agent wrote it again"
        return self.rules.unwatched, "nothing watched"

    def trivial_lines(self) -> None:
        """Give lines that say nothing by themselves to the lines around them, where their commit allows it."""
        lines = np.flatnonzero(~self.matches.trivial)
        for line in np.flatnonzero(self.matches.trivial).tolist():
            at = int(np.searchsorted(lines, line))
            above = int(lines[at - 1]) if at else None
            below = int(lines[at]) if at < lines.size else None
            self.origins[line] = self.between(line, above, below)

    def between(self, line: int, above: int | None, below: int | None) -> LineOrigin:
        """Say whose a line is that stands between (or beside) others."""
        own = self.origins[line]
        sides = [other for other in (above, below) if other is not None]
        theirs = [other for other in sides if self.origins[other].state in _THEIRS]
        for other in theirs:
            if self.stands_beside(line, other):
                return LineOrigin(State.AGENT, self.origins[other].emission, 1.0, "beside agent lines")
        if theirs and theirs == sides and self.is_between(line, *(theirs * 2)[:2]):
            return LineOrigin(State.AGENT, self.origins[theirs[0]].emission, 1.0, "between agent lines")
        if sides and own.state is State.UNKNOWN and all(self.origins[side].state is State.HUMAN for side in sides):
            return LineOrigin(State.HUMAN, NOBODY, 0.0, "between human lines")
        return own

    def stands_beside(self, line: int, other: int) -> bool:
        """Whether the emission of the line `other` has this line, too, as far from it as here."""
        emission = self.origins[other].emission
        if other not in self.numbers or not self.is_possible(line, emission):
            return False
        rows, at = self.known.rows(emission), self.numbers[other] + line - other
        return bool(0 <= at < rows.size and self.is_row(rows[at : at + 1], line))

    def is_between(self, line: int, above: int, below: int) -> bool:
        """Whether a line between agent lines is theirs: it is blank, or what they are from has it there somewhere.

        Where that cannot be told, since they were edited, it is.
        """
        emission = self.origins[above].emission
        if not self.is_possible(line, emission):
            return False
        if above not in self.numbers or below not in self.numbers or not self.lines[line].strip():
            return True
        if self.origins[below].emission != emission:
            return False
        return self.is_row(self.known.rows(emission)[self.numbers[above] + 1 : self.numbers[below]], line)

    def is_row(self, rows: npt.NDArray[np.void], line: int) -> bool:
        """Whether a line is one of an emission's own rows."""
        own = (rows["flags"] & Flag.ECHO) == 0
        return bool((own & (rows["code"] == self.matches.codes[line])).any())

    def is_possible(self, line: int, emission: int) -> bool:
        """Whether the line was neither committed before the emission was made, nor copied by a program."""
        if (had := self.had(self.known.writer(emission))) is not None and had[line]:
            return False
        is_older = bool(precedes(self.committed[line : line + 1], self.known.at(emission))[0])
        return not is_older or line in self.lineage.unproven.get(self.known.session(emission), ())

    def had(self, session: str) -> Flags | None:
        """Say which lines git had when a session began; None where nobody knows."""
        if session and session not in self.there:
            self.there[session] = self.lineage.there(session)
        return self.there[session] if session else None


_THEIRS: Final = (State.AGENT, State.EDITED)
_NOTHING: Final = LineOrigin(State.UNKNOWN, NOBODY, 0.0, "")


def kept(former: bytes, line: bytes) -> float:
    """Measure which share of a line's words stood in its former text, 0 to 1; 0 for a line without any."""
    mine, theirs = words(line), words(former)
    return (mine & theirs).total() / mine.total() if mine else 0.0


def structure(line: bytes, same: float) -> float:
    """Measure a line of the same shape as the agent's: all but its names are the agent's, and a share of its words."""
    tokens = tokenise(line)
    names = float(tokens.names.mean()) if tokens.exact.size else 0.0
    return 1 - names * (1 - same)


def _is_written(text: bytes) -> npt.NDArray[np.bool_]:
    """Say which bytes are no blanks."""
    written: Flags = np.frombuffer(text, np.uint8) > ord(" ")
    return written
