"""Which emissions speak for a line: what is known of them, how long they run along the text, which one is best; pure.

A *pair* is a line of the text and a row of the index with the same code (or shape). A *run* is pairs of one emission in
which text and emission go on together; lines that say nothing have no pairs, so small steps do not end it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from wrapper.provenance.capture import EARLIER
from wrapper.provenance.model import Codes, Emission, Flag, Kind

if TYPE_CHECKING:
    from wrapper.provenance.matching import LineMatches
    from wrapper.provenance.pack import Pack

Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_STEP: Final = 8  # lines without a pair, at most, within a run: blank lines, closing brackets, an edit
_SECOND: Final = 1.0  # git keeps whole seconds: a commit made in the same second may be told as earlier
# What says most of how a line came to be, the last one: a tool's input names model, request and prompt.
_ORDER: Final = (Kind.CLAIM, Kind.HOST, Kind.WRITE, Kind.TEXT, Kind.INPUT)
_WRITE: Final = _ORDER.index(Kind.WRITE)


class Known:
    """What an attribution needs of emissions, each unsealed once. `ours`: sessions of the workspace that is asked."""

    def __init__(self, pack: "Pack", ours: frozenset[str]) -> None:
        self._pack = pack
        self._ours = ours
        self._facts: dict[int, _Fact] = {}
        self._rows: dict[int, npt.NDArray[np.void]] = {}

    def facts(self, emissions: npt.NDArray[np.uint32]) -> "Facts":
        """Look up kind, time and whether it is ours; arrays of the same length."""
        numbers, back = np.unique(emissions, return_inverse=True)
        facts = [self._fact(number) for number in numbers.tolist()]
        ranks = np.array([fact.rank for fact in facts], np.int8)
        times = np.array([fact.at for fact in facts], np.float64)
        ours = np.array([fact.is_ours for fact in facts], np.bool_)
        return Facts(ranks[back], times[back], ours[back])

    def at(self, emission: int) -> npt.NDArray[np.float64]:
        """Say when an emission was made, as an array of one."""
        return np.array([self._fact(emission).at])

    def session(self, emission: int) -> str:
        """Say which session an emission is of; none where its commits' dates are evidence as they are."""
        fact = self._fact(emission)
        return "" if fact.is_gits else fact.session

    def writer(self, emission: int) -> str:
        """Say in which session a program wrote an emission; none where it is of another kind."""
        fact = self._fact(emission)
        return fact.session if fact.rank == _WRITE else ""

    def is_of(self, emission: int, kinds: Iterable[Kind]) -> bool:
        """Say whether an emission is of these kinds."""
        return _ORDER[self._fact(emission).rank] in kinds

    def is_claim(self, emission: int) -> bool:
        """Say whether somebody only claims it; nobody's emission is none."""
        return emission >= 0 and self.is_of(emission, (Kind.CLAIM,))

    def rows(self, emission: int) -> npt.NDArray[np.void]:
        """Give the LINE rows of an emission."""
        if emission not in self._rows:
            self._rows[emission] = self._pack.lines(emission)
        return self._rows[emission]

    def sessions(self, emissions: npt.NDArray[np.uint32], *, written: bool) -> dict[str, npt.NDArray[np.uint32]]:
        """Sort emissions by session: those that programs have `written`, or those whose commits' dates need a proof."""
        found: dict[str, list[int]] = {}
        for number in np.unique(emissions).tolist():
            fact = self._fact(number)
            if fact.rank == _WRITE if written else not fact.is_gits:
                found.setdefault(fact.session, []).append(number)
        return {session: np.array(numbers, np.uint32) for session, numbers in found.items()}

    def _fact(self, number: int) -> "_Fact":
        if number not in self._facts:
            one: Emission = self._pack.emission(number)
            at = -inf if one.origin == EARLIER else one.at  # only when it was heard of: no commit came before it
            rank, is_gits = _ORDER.index(one.kind), one.kind is Kind.WRITE and one.process.startswith("git[")
            self._facts[number] = _Fact(rank, at, one.session in self._ours, one.session, is_gits)
        return self._facts[number]


class _Fact(NamedTuple):
    """`is_gits`: git wrote it, which brings commits of others along: there a date is evidence, if no proof."""

    rank: int
    at: float
    is_ours: bool
    session: str
    is_gits: bool


class Facts(NamedTuple):
    """Of emissions: their kind's place in an order of how much it says, when they were made, whether they are ours."""

    rank: npt.NDArray[np.int8]
    at: npt.NDArray[np.float64]
    ours: Flags

    def of_kinds(self, kinds: Iterable[Kind]) -> Flags:
        """Say which are of these kinds."""
        return np.isin(self.rank, [_ORDER.index(kind) for kind in kinds])

    def where(self, chosen: Flags | Places) -> "Facts":
        """Keep some, by a flag for each or by their places."""
        return Facts(self.rank[chosen], self.at[chosen], self.ours[chosen])


class Pairs(NamedTuple):
    """Pairs, by line. `own`: the row is new in its emission, and the line was not committed before that was made.

    `too_late`: it was. `run`: how many own ones its run has; `along`: how many lines of different shapes in all.
    """

    line: Places
    emission: Places
    number: Places
    own: Flags
    too_late: Flags
    exact: Flags
    sketch: Codes
    run: Places
    along: Places
    facts: Facts

    def where(self, chosen: Flags | Places) -> "Pairs":
        """Keep some, by a flag for each or by their places."""
        return Pairs(
            self.line[chosen],
            self.emission[chosen],
            self.number[chosen],
            self.own[chosen],
            self.too_late[chosen],
            self.exact[chosen],
            self.sketch[chosen],
            self.run[chosen],
            self.along[chosen],
            self.facts.where(chosen),
        )

    def best(self) -> "Pairs":
        """Keep the best of each line: the longest run, of nearly equal ones ours, what says most, the latest."""
        worth = np.frexp(self.run.astype(np.float64))[1]
        order = np.lexsort((self.facts.at, self.facts.rank, self.facts.ours, worth, self.line))
        line = self.line[order]
        last = np.append(line[1:] != line[:-1], np.ones(min(line.size, 1), np.bool_))
        return self.where(order[last])


def pairs(
    matches: "LineMatches",
    known: Known,
    committed: npt.NDArray[np.float64],
    unproven: Mapping[str, frozenset[int]] | None = None,
    there: Callable[[str], Flags | None] | None = None,
) -> Pairs:
    """Join what matched with what is known of it.

    `unproven`: of sessions the lines whose commits' dates prove nothing. `there` says of a session which lines git had
    somewhere when it began: a program that wrote one then has only copied it.
    """
    facts = known.facts(matches.emission)
    line, emission, number = (column.astype(np.int64) for column in (matches.line, matches.emission, matches.number))
    new = (matches.flags & Flag.ECHO) == 0
    if there is not None:
        new &= ~_copied(matches, known, new, there)
    too_late = new & precedes(committed[line], facts.at)
    if unproven:
        too_late &= ~_doubted(matches, known, too_late, unproven)
    own = new & ~too_late
    run, along = _runs(line, emission, number, own, matches.shapes)
    return Pairs(line, emission, number, own, too_late, matches.exact, matches.sketch, run, along, facts)


def _copied(matches: "LineMatches", known: Known, new: Flags, there: Callable[[str], Flags | None]) -> Flags:
    """Say which pairs are of a line that git had somewhere when the session began in which a program wrote it."""
    copied = np.zeros(new.size, np.bool_)
    for session, ones in known.sessions(matches.emission[new], written=True).items():
        had = there(session)
        if had is not None:
            copied |= np.isin(matches.emission, ones) & had[matches.line]
    return copied


def _doubted(matches: "LineMatches", known: Known, too_late: Flags, unproven: Mapping[str, frozenset[int]]) -> Flags:
    """Say of which pairs the line's commit may have been made by the session itself, whatever its date says."""
    doubted = np.zeros(too_late.size, np.bool_)
    for session, ones in known.sessions(matches.emission[too_late], written=False).items():
        lines = np.array(sorted(unproven.get(session, ())), np.int64)
        doubted |= np.isin(matches.line, lines) & np.isin(matches.emission, ones)
    return doubted


def precedes(committed: npt.NDArray[np.float64], at: npt.NDArray[np.float64]) -> Flags:
    """Say which commits were made before an emission: what they hold is not from it."""
    earlier: Flags = committed + _SECOND <= at
    return earlier


def times(committed: Sequence[float], count: int) -> npt.NDArray[np.float64]:
    """Give when each of `count` lines was committed; where nothing is said, never."""
    if not committed:
        return np.full(count, np.inf)
    return np.array(committed, np.float64)


def _runs(line: Places, emission: Places, number: Places, own: Flags, shapes: Codes) -> tuple[Places, Places]:
    """Count, for each pair, the own pairs of its run, and the shapes of its lines."""
    if not line.size:
        return line, line
    along = number - line
    order = np.lexsort((line, along, emission))
    steps = np.diff(line[order])
    breaks = (np.diff(emission[order]) != 0) | (np.diff(along[order]) != 0) | (steps > _STEP)
    group = np.concatenate(([0], np.cumsum(breaks)))
    new, whole = np.empty_like(line), np.empty_like(line)
    new[order] = np.bincount(group, own[order]).astype(np.int64)[group]
    whole[order] = _distinct(group, shapes[line[order]])[group]
    return new, whole


def _distinct(group: Places, shapes: Codes) -> Places:
    """Count the different shapes of each group; groups are numbered from 0, in order."""
    order = np.lexsort((shapes, group))
    ordered, of = shapes[order], group[order]
    first = np.append([True], (ordered[1:] != ordered[:-1]) | (of[1:] != of[:-1]))
    counts: Places = np.bincount(of, first).astype(np.int64)
    return counts
