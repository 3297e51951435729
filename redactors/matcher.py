"""Anchors of values, and the longest agreement around each hit.

A value is not searched for as a whole but by a short anchor of each form, which costs little to compile (about 13 µs
each) and finds trimmed values too: around the anchor the data is compared with the form in both directions as far as
they agree. Many values that begin alike share an anchor; then the few that agree best are looked up, not all compared.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from enum import IntFlag
from functools import cached_property
from typing import NamedTuple

from redactors.hints import EXPRESSIONS, Hints, hints_of
from redactors.patterns import Patterns, expression
from redactors.sites import Tails, lone_expressions

_WHOLE_ANCHOR = 16  # of a form that only counts as a whole, this many bytes of its middle are the anchor
_FEW = 8  # targets with one anchor: up to so many are simply compared
# With so many literals the hints and a few lone texts cost half as much in their pass as in passes of their own, and
# compiling them is not felt.
_MANY = 5_000
_FEW_LONE = 24


class Pass(IntFlag):
    """In which copy of the data a target is searched: the data itself, or the copy without gaps."""

    EXACT = 1
    SQUEEZED = 2
    BOTH = 3


class Target(NamedTuple):
    """One anchor of one form: `text[at:at+size]`.

    `whole`: a part of the form does not count. `least`: bytes that a part must have to count.
    """

    text: bytes
    at: int
    size: int
    whole: bool
    within: Pass
    form: str
    owner: object
    least: int = 0

    @property
    def anchor(self) -> bytes:
        """The literal to search for."""
        return self.text[self.at : self.at + self.size]


class Match(NamedTuple):
    """Where `target.text`, or a part of it that begins at `first`, stands in the searched text."""

    start: int
    end: int
    first: int
    target: Target

    @property
    def is_whole(self) -> bool:
        """Whether the form is there from its first to its last byte."""
        return self.end - self.start == len(self.target.text)

    @property
    def counts(self) -> bool:
        """Whether so much of the form is enough."""
        size = self.end - self.start
        return size == len(self.target.text) or (not self.target.whole and size >= self.target.least)


class Look(NamedTuple):
    """What one pass over a text has found.

    `matches`: what `Segment.search` finds in the exact pass. `ends`: where anything ends that a cut value may have
    around it, rising. `hints`: those of `redactors.hints`, or None if they were not looked for.
    """

    matches: list[Match]
    ends: list[int]
    hints: Hints | None


def targets(text: bytes, windows: Iterable[tuple[int, int]], *, within: Pass, form: str, owner: object) -> list[Target]:
    """Anchors of a form at `windows`; without windows one in its middle, and only the whole form counts."""
    parts = [Target(text, start, end - start, False, within, form, owner) for start, end in windows]
    if parts or not text:
        return parts
    size = min(len(text), _WHOLE_ANCHOR)
    return [Target(text, (len(text) - size) // 2, size, True, within, form, owner)]


class Segment:
    """An immutable set of targets, compiled; `search` may be called from any thread.

    `pieces`, `lone` and `tails` only tell where a cut value may stand (see `redactors.sites`), an anchor within
    `reach` bytes.
    """

    def __init__(
        self,
        found_by: Iterable[Target],
        pieces: Iterable[bytes] = (),
        *,
        lone: Iterable[bytes] = (),
        tails: Iterable[bytes] = (),
        reach: int = 0,
    ) -> None:
        self.targets = tuple(found_by)
        self.pieces = frozenset(pieces)
        self.lone = frozenset(lone)
        self.tails = Tails(tails)
        self.reach = reach
        by_anchor: dict[bytes, list[Target]] = {}
        for target in self.targets:
            by_anchor.setdefault(target.anchor, []).append(target)
        self._found_by = tuple(by_anchor.values())
        self._groups: dict[int, _Few] = {}  # of anchors that were hit, which most never are
        literals = [*by_anchor, *(self.pieces - by_anchor.keys())]
        self.size = len(literals)
        """How many literals are compiled."""
        self._literals = self._overview = Patterns(literals, literal=True)
        self.lone_elsewhere = self.lone
        """Those of `lone` that `look` does not find."""
        self._first_hint = 0
        if self.size >= _MANY:
            self._look_for_more(literals)

    def _look_for_more(self, literals: list[bytes]) -> None:
        found = self.lone if len(self.lone) <= _FEW_LONE else frozenset[bytes]()
        lone = [pattern for text in sorted(found) for pattern in lone_expressions(text)]
        self._overview = Patterns([*map(expression, literals), *lone, *EXPRESSIONS])
        self.lone_elsewhere = self.lone - found
        self._first_hint = len(literals) + len(lone)

    @cached_property
    def characters(self) -> frozenset[int]:
        """All bytes of anchors."""
        return frozenset(b"".join([found_by[0].anchor for found_by in self._found_by]))

    def probe(self) -> Callable[[bytes], bool]:
        """Give a function for one thread: where it says no, `search` finds nothing."""
        return self._literals.probe()

    def search(self, text: bytes, within: Pass) -> list[Match]:
        """Find every occurrence of a target of this pass in `text`, in no particular order.

        An occurrence with several anchors is given once, with its last one (hits come in order of their ends).
        """
        hits = self._compiled().scan(text)
        return self._agreements(text, hits, within, enough=True) if hits else []

    def agreements(self, text: bytes, within: Pass) -> list[Match]:
        """Find what `search` finds, and what agrees around an anchor without being enough."""
        return self._agreements(text, self._compiled().scan(text), within, enough=False)

    def look(self, text: bytes) -> Look:
        """Find what `search` finds in the exact pass, and what tells where else something may be."""
        hits = self._overview.scan(text)
        hints, first = None, self._first_hint
        if first:
            hints = hints_of([(number - first, end) for number, end in hits if number >= first])
            hits = [hit for hit in hits if hit[0] < first]
        return Look(self._agreements(text, hits, Pass.EXACT, enough=True), [end for _, end in hits], hints)

    def _compiled(self) -> Patterns:
        """Give what `look` or `probe` has compiled: both find all literals, and few call both."""
        return self._overview if self._overview.is_compiled else self._literals

    def _agreements(self, text: bytes, hits: list[tuple[int, int]], within: Pass, *, enough: bool) -> list[Match]:
        """Give what agrees around anchors; with `enough` only what counts."""
        found: dict[tuple[int, int, bytes], Match] = {}
        for number, end in hits:
            if number < len(self._found_by):
                for match in self._group(number).agreements(text, end, within, enough=enough):
                    found[match.start, match.end, match.target.text] = match
        return list(found.values())

    def _group(self, number: int) -> "_Few":
        group = self._groups.get(number)
        if group is None:
            group = self._groups[number] = _group(self._found_by[number])
        return group


def joined(segments: Iterable[Segment]) -> Segment:
    """Give one segment that finds what all of `segments` find."""
    segments = tuple(segments)
    return Segment(
        (target for segment in segments for target in segment.targets),
        (piece for segment in segments for piece in segment.pieces),
        lone=(text for segment in segments for text in segment.lone),
        tails=(tail for segment in segments for tail in segment.tails.texts),
        reach=max(segment.reach for segment in segments),
    )


class _Few:
    """A few targets with one anchor."""

    def __init__(self, found_by: list[Target]) -> None:
        self._size = found_by[0].size
        self._by_pass = {
            within: tuple(target for target in found_by if target.within & within)
            for within in Pass.__members__.values()
        }

    def agreements(self, text: bytes, end: int, within: Pass, *, enough: bool) -> Iterator[Match]:
        return _around(text, end - self._size, self._by_pass[within], enough=enough)


class _Many(_Few):
    """Many targets with one anchor: those that stand there whole, and those that agree farthest to either side."""

    def agreements(self, text: bytes, end: int, within: Pass, *, enough: bool) -> Iterator[Match]:
        place = end - self._size
        best = {id(target): target for target in self._index[within].best(text, place)}
        return _around(text, place, best.values(), enough=enough)

    @cached_property
    def _index(self) -> dict[Pass, "_Index"]:
        return {within: _Index(found_by) for within, found_by in self._by_pass.items()}


class _Index:
    """Targets by their whole text, and in the order of what stands behind and (read backwards) before the anchor."""

    def __init__(self, found_by: tuple[Target, ...]) -> None:
        self._whole: dict[tuple[int, int], dict[bytes, Target]] = {}
        for target in found_by:
            self._whole.setdefault((target.at, len(target.text)), {})[target.text] = target
        parts = [target for target in found_by if not target.whole]
        whole = [target for target in found_by if target.whole]
        self._sides = tuple(_Side(some, side) for some in (parts, whole) for side in (_behind, _before))

    def best(self, text: bytes, place: int) -> Iterator[Target]:
        for (at, size), by_text in self._whole.items():
            target = by_text.get(text[place - at : place - at + size]) if place >= at else None
            if target:
                yield target
        for side in self._sides:
            yield from side.nearest(text, place)


class _Side:
    """Targets in the order of their text to one side of the anchor: neighbours there agree farthest."""

    def __init__(self, found_by: list[Target], side: Callable[[bytes, int, int], bytes]) -> None:
        self._side = side
        rows = sorted(((side(target.text, target.at, len(target.text)), target) for target in found_by), key=_text_of)
        self._texts = [text for text, _ in rows]
        self._targets = [target for _, target in rows]
        self._longest = max(map(len, self._texts), default=0)

    def nearest(self, text: bytes, place: int) -> list[Target]:
        at = bisect_left(self._texts, self._side(text, place, self._longest))
        return self._targets[max(0, at - 1) : at + 1]


def _text_of(row: tuple[bytes, Target]) -> bytes:
    return row[0]


def _behind(text: bytes, at: int, size: int) -> bytes:
    return text[at : at + size]


def _before(text: bytes, at: int, size: int) -> bytes:
    return text[max(0, at - size) : at][::-1]


def _group(found_by: list[Target]) -> _Few:
    return (_Few if len(found_by) <= _FEW else _Many)(found_by)


def _around(text: bytes, place: int, targets: Iterable[Target], *, enough: bool) -> Iterator[Match]:
    """Give what agrees around the anchor at `place`; with `enough` only what counts."""
    for target in targets:
        # Of what counts only as a whole it need not be worked out how much of it stands there: in a run of one letter
        # its anchor may stand at every place.
        if not enough or not target.whole or _is_there(text, place, target):
            match = _agreement(text, place, target)
            if not enough or match.counts:
                yield match


def _is_there(text: bytes, place: int, target: Target) -> bool:
    return place >= target.at and text.startswith(target.text, place - target.at)


def _agreement(text: bytes, place: int, target: Target) -> Match:
    """Find the longest stretch around the anchor at `place` on which `text` and the form agree."""
    form, origin = target.text, place - target.at
    if _is_there(text, place, target):
        return Match(origin, origin + len(form), 0, target)
    start = place - _same_end(text[max(0, origin) : place], form[: target.at])
    behind = place + target.size
    end = behind + _same_start(text[behind : origin + len(form)], form[target.at + target.size :])
    return Match(start, end, start - origin, target)


def _same_start(one: bytes, other: bytes) -> int:
    """How many bytes `one` and `other` have in common from the start; halving keeps it in C."""
    size = min(len(one), len(other))
    same = 0
    while size > same:
        middle = (same + size + 1) // 2
        if one[same:middle] == other[same:middle]:
            same = middle
        else:
            size = middle - 1
    return same


def _same_end(one: bytes, other: bytes) -> int:
    return _same_start(one[::-1], other[::-1])
