"""What is remembered of documents: their pieces, what was found in them, and which followed which.

Rules of this file:
1. Pieces are known by their bytes; links between them by identity. A link holds for a state, that is, for all that
   stands within `REACH` bytes before the border: where another state comes before a piece, its border was not searched
   yet.
2. A document goes on from an earlier one (`earlier`): of what begins or ends with the same bytes, pieces and links are
   taken over and none of them is looked at. Behind what is new, that is done only from where the state before a piece
   is the same again, and only if what is open there is the same: else not all of it is what it was.
3. A document is gone on from once all that was new in it has been searched.
4. What is taken over is what going along the links, piece by piece, gives as well.
"""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

from redactors.borders import Cuts
from redactors.earlier import Earlier, Shared
from redactors.finding import Finding
from redactors.nesting import Nesting, is_document, nesting, opened

# The longest of a bundled rule with all its context is 774 bytes long, but for values that are long themselves.
REACH = 1_024
"""Bytes around a border that are searched again for each two neighbours."""
_MARK = 0x22  # a quotation mark: the piece that it ends is a string, which nothing prolongs
_OVERHEAD = 600  # bytes that a piece takes besides its own, about


class Fit(NamedTuple):
    """Findings that are fit for a document, with offsets in a piece; `bare` are starts of numbers."""

    findings: tuple[Finding, ...]
    bare: frozenset[int]


NOTHING = Fit((), frozenset())
"""Of no findings."""


@dataclass(slots=True, eq=False)
class Piece:
    """A stretch of a document, compared by identity. `findings`, with offsets in it, is None until it is searched.

    `fit` is None where it depends on what stands around the piece.
    """

    text: bytes = field(repr=False)
    is_last: bool
    nesting: Nesting | None
    findings: tuple[Finding, ...] | None = field(repr=False, default=None)
    fit: Fit | None = field(repr=False, default=None)


State = tuple[Piece, ...]
"""The last pieces up to a place: so many that they have `REACH` bytes, or all."""
_Key = tuple[bool, bool, bytes]


@dataclass(slots=True, eq=False)
class Link:
    """A piece that follows a state, the state behind it, and what was found around its start, relative to that.

    `findings` is filled in by the search. `fit` is None where it depends on what stands further away.
    """

    piece: Piece
    state: State
    findings: tuple[Finding, ...] = ()
    fit: Fit | None = NOTHING

    @property
    def is_telling(self) -> bool:
        """Whether anything was found in the piece or around its start."""
        return bool(self.findings or self.piece.findings)


class Step(NamedTuple):
    """A piece at its place, and the link to it from a state; `is_new` if it never followed that one."""

    start: int
    end: int
    before: State
    piece: Piece
    link: Link
    is_new: bool


class _Half:
    """Half of what is remembered: pieces by their bytes, links by what they join, the last link behind each state."""

    def __init__(self) -> None:
        self.pieces: dict[_Key, Piece] = {}
        self.links: dict[tuple[State, Piece], Link] = {}
        self.next: dict[State, Link] = {}
        self.size = 0


@dataclass(slots=True, eq=False)
class _Course:
    """A valid document in pieces: where each ends, the link to it, and the brackets that are open behind it.

    `telling` are the places of links with findings, rising. What is `new` is none of these until it has been searched.
    """

    data: bytes
    ends: list[int] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    opens: list[bytes] = field(default_factory=list)
    telling: list[int] = field(default_factory=list)
    new: range = range(0)
    is_searched: bool = True

    def whole(self, size: int) -> int:
        """Give how many of the first `size` bytes are whole pieces, which end there in other documents too.

        A piece that ends a byte before does, and so does one that ends with a string.
        """
        place = bisect_right(self.ends, size)
        ends_at_size = place and self.ends[place - 1] == size
        return self.start(place - 1 if ends_at_size and self.data[size - 1] != _MARK else place)

    def from_last(self, size: int) -> int:
        """Give the first piece of those that stand in the last `size` bytes, with what ends right before it."""
        return min(len(self.ends), bisect_right(self.ends, len(self.data) - size) + 1)

    def start(self, place: int) -> int:
        """Give where a piece starts; for the number of pieces, where the last one ends. So below."""
        return self.ends[place - 1] if place else 0

    def state(self, place: int) -> State:
        """Give the state before a piece."""
        return self.links[place - 1].state if place else ()

    def open(self, place: int) -> bytes:
        """Give what is open before a piece."""
        return self.opens[place - 1] if place else b""

    def copy(self) -> Self:
        """Give one that goes on by itself."""
        return replace(self, ends=[*self.ends], links=[*self.links], opens=[*self.opens], telling=[*self.telling])

    def go_on(self, data: bytes, first: int, steps: Sequence[Step], opens: Sequence[bytes], last: int) -> None:
        """Become another document, with steps in the place of the pieces from `first` to before `last`.

        What stands before is not looked at, and what is behind is only moved.
        """
        by, further = len(data) - len(self.data), first + len(steps) - last
        self.data = data
        self.new, self.is_searched = range(first, first + len(steps)), False
        self.ends[first:] = [step.end for step in steps] + [end + by for end in self.ends[last:]]
        self.links[first:last] = [step.link for step in steps]
        self.opens[first:last] = opens
        moved_on = [place + further for place in self.telling[bisect_left(self.telling, last) :]]
        self.telling[bisect_left(self.telling, first) :] = moved_on

    def take_note(self) -> None:
        """Take note of what was found in all that was new; nobody goes on from this document before."""
        at = bisect_left(self.telling, self.new.start)
        self.telling[at:at] = [place for place in self.new if self.links[place].is_telling]
        self.is_searched = True

    def findings(self, first: int, last: int) -> "list[Placed]":
        """Give the links with findings from place `first` to before `last`, none of which is new."""
        places = self.telling[bisect_left(self.telling, first) : bisect_left(self.telling, last)]
        return [(self.start(place), self.links[place]) for place in places]


Placed = tuple[int, Link]
"""A link, and where its piece starts."""


class Path(NamedTuple):
    """A document along what is remembered: `steps` stand between `before` and `behind`, the links with findings there.

    Nothing is new but some of the steps. `is_document`: the pieces make one that is valid.
    """

    before: Sequence[Placed]
    steps: Sequence[Step]
    behind: Sequence[Placed]
    is_document: bool
    course: _Course | None


class Pieces:
    """All that is remembered of one generation of known values."""

    def __init__(self, generation: tuple[int, int], most: int) -> None:
        self.generation = generation
        self._most = most
        self._earlier = Earlier[_Course](most // 2)
        self._going = threading.Lock()
        self._young, self._old = _Half(), _Half()
        self._changing = threading.Lock()

    def path(self, data: bytes) -> Path:
        """Cut data, along what is remembered as far as that goes; `keep` is to be told what is in what is new."""
        if not self._going.acquire(blocking=False):  # another thread goes along a document: never wait for it
            return self._cut(data)
        try:
            return self._along(data)
        finally:
            self._going.release()

    def keep(self, path: Path) -> None:
        """Remember the links of all that was new: it has been searched."""
        with self._changing:
            for step in path.steps:
                if step.is_new:
                    self._put(step.before, step.link)
        if path.course is not None:
            path.course.take_note()

    def _along(self, data: bytes) -> Path:
        shared = self._earlier.nearest(data, _is_searched) or Shared(_Course(b""), 0, 0)
        base = shared.earlier
        first, last = bisect_right(base.ends, shared.prefix), base.from_last(shared.suffix)
        steps, last = self._between(data, base, first, last)
        opens = _opens(base, first, steps, last)
        if opens is None:
            return self._cut(data) if base.data else Path((), steps, (), is_document=False, course=None)
        course = base if shared.is_most else base.copy()
        course.go_on(data, first, steps, opens, last)
        self._earlier.add(course, 2 * len(data) + _OVERHEAD * len(course.ends))
        behind = course.findings(first + len(steps), len(course.ends))
        return Path(course.findings(0, first), steps, behind, is_document=bool(data), course=course)

    def _cut(self, data: bytes) -> Path:
        steps, _ = self._between(data, _Course(b""), 0, 0)
        return Path((), steps, (), is_document(step.piece.nesting for step in steps), None)

    def _put(self, state: State, link: Link) -> None:
        """Remember that a piece follows a state; for one thread at a time."""
        young = self._young
        key = (not state, link.piece.is_last, link.piece.text)
        if key not in young.pieces:
            young.pieces[key] = link.piece
            young.size += len(link.piece.text) + _OVERHEAD
        if (state, link.piece) not in young.links:
            young.size += _OVERHEAD
        young.links[state, link.piece] = young.next[state] = link
        if young.size > (self._most - self._earlier.size) // 2:
            self._young, self._old = _Half(), young

    def _between(self, data: bytes, base: _Course, first: int, last: int) -> tuple[list[Step], int]:
        """Cut what stands between pieces of `base`: those before `first`, and those from `last` on.

        Gives also from which one on, `last` or later, the states are those of `base` as well.
        """
        by = len(data) - len(base.data)
        at, state, most = base.start(first), base.state(first), base.start(last) + by
        cuts = Cuts(data)
        steps: list[Step] = []
        while at < most:
            there = first + len(steps)
            likely = base.links[there].piece if there < len(base.links) else None
            piece = self._seen_at(data, at, state, most, likely) or self._piece(data, at, min(cuts.end(at), most))
            steps.append(self._step(at, state, piece))
            at, state = steps[-1].end, steps[-1].link.state
        while last < len(base.links) and state != base.state(last):
            steps.append(self._step(at, state, base.links[last].piece))
            at, state = steps[-1].end, steps[-1].link.state
            last += 1
        return steps, last

    def _seen_at(self, data: bytes, at: int, state: State, most: int, likely: Piece | None) -> Piece | None:
        """Give the piece at a place, which ends at `most` or before, if it followed the last time or is `likely`."""
        for half in (self._young, self._old):
            link = half.next.get(state)
            if link is not None and _is_at(link.piece, data, at, most):
                return link.piece
        return likely if likely is not None and _is_at(likely, data, at, most) else None

    def _piece(self, data: bytes, at: int, end: int) -> Piece:
        key = is_first, is_last, text = (at == 0, end == len(data), data[at:end])
        known = self._young.pieces.get(key) or self._old.pieces.get(key)
        return known or Piece(text, is_last, nesting(text, is_first=is_first, is_last=is_last))

    def _step(self, at: int, state: State, piece: Piece) -> Step:
        """Give the step of a piece behind a state; its link is needed, and so is not forgotten."""
        known = self._young.links.get((state, piece))
        if known is None:
            known = self._old.links.get((state, piece))
            if known is None:
                return Step(at, at + len(piece.text), state, piece, Link(piece, behind(state, piece)), is_new=True)
            with self._changing:
                self._put(state, known)
        return Step(at, at + len(piece.text), state, piece, known, is_new=False)


def _opens(base: _Course, first: int, steps: Sequence[Step], last: int) -> list[bytes] | None:
    """Give what is open behind each step; None if with these the document is not valid.

    All that was open before the pieces from `last` on, and nothing else, is what they close.
    """
    opens: list[bytes] = []
    before = base.open(first)
    for step in steps:
        now = opened(before, step.piece.nesting)
        if now is None:
            return None
        opens.append(before := now)
    return opens if before == base.open(last) else None


def behind(state: State, piece: Piece) -> State:
    """Give the state behind a piece that follows `state`."""
    pieces, size = [piece], len(piece.text)
    for one in reversed(state):
        if size >= REACH:
            break
        pieces.append(one)
        size += len(one.text)
    return tuple(reversed(pieces))


def _is_searched(course: _Course) -> bool:
    return course.is_searched


def _is_at(piece: Piece, data: bytes, at: int, most: int) -> bool:
    end = at + len(piece.text)
    return end <= most and piece.is_last == (end == len(data)) and data.startswith(piece.text, at)


def moved(findings: Iterable[Finding], by: int) -> Iterator[Finding]:
    """Give findings with other offsets."""
    return (
        Finding(start + by, end + by, kind, confidence, rule, value)
        for start, end, kind, confidence, rule, value in findings
    )
