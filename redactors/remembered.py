"""What is remembered of documents: their pieces, what was found in them, and which followed which.

Pieces are known by their bytes; links between them by identity. A link holds for a state, that is, for all that stands
within `REACH` bytes before the border: where another state comes before a piece, its border was not searched yet.
"""

import functools
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from redactors.borders import end_of_piece
from redactors.finding import Finding
from redactors.nesting import Nesting, joined, nesting

# The longest of a bundled rule with all its context is 774 bytes long, but for values that are long themselves.
REACH = 1_024
"""Bytes around a border that are searched again for each two neighbours."""
_FAR = 65_536  # so many bytes that were the same twice are compared at once
_OVERHEAD = 600  # bytes that a piece takes besides its own, about


class Fit(NamedTuple):
    """Findings of a piece that are fit for a document, with offsets in the piece; `bare` are starts of numbers."""

    findings: tuple[Finding, ...]
    bare: frozenset[int]


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


class Link(NamedTuple):
    """A piece that follows a state, what was found around its start (relative to that), and the state behind it."""

    piece: Piece
    findings: tuple[Finding, ...]
    state: State


class Step(NamedTuple):
    """A piece at its place, behind `state`; `link` is None if it never followed that."""

    start: int
    state: State
    piece: Piece
    link: Link | None

    @property
    def end(self) -> int:
        """Where the piece ends."""
        return self.start + len(self.piece.text)


class _Half:
    """Half of what is remembered: pieces by their bytes, links by what they join, the last link behind each state.

    `far` are links to several pieces at once.
    """

    def __init__(self) -> None:
        self.pieces: dict[_Key, Piece] = {}
        self.links: dict[tuple[State, Piece], Link] = {}
        self.next: dict[State, Link] = {}
        self.far: dict[State, Link] = {}
        self.size = 0


class Pieces:
    """All that is remembered of one generation of known values."""

    def __init__(self, generation: tuple[int, int], most: int) -> None:
        self.generation = generation
        self._most = most
        self._young, self._old = _Half(), _Half()
        self._changing = threading.Lock()

    def path(self, data: bytes) -> list[Step]:
        """Cut data, along what is remembered as far as that goes."""
        steps: list[Step] = []
        state: State = ()
        at = 0
        while at < len(data):
            link = self._known(state, data, at)
            step = Step(at, state, link.piece, link) if link else self._looked_up(state, data, at)
            steps.append(step)
            state = step.link.state if step.link else behind(state, step.piece)
            at += len(step.piece.text)
        self._keep_far(data, steps)
        return steps

    def keep(self, state: State, link: Link) -> None:
        """Remember that a piece follows a state."""
        key = (not state, link.piece.is_last, link.piece.text)
        with self._changing:
            young = self._young
            if key not in young.pieces:
                young.pieces[key] = link.piece
                young.size += len(link.piece.text) + _OVERHEAD
            young.links[state, link.piece] = young.next[state] = link
            self._grown(_OVERHEAD)

    def _known(self, state: State, data: bytes, at: int) -> Link | None:
        """Give the link to what followed the last time, if it follows again."""
        young, old = self._young, self._old
        for link in (young.far.get(state), young.next.get(state)):
            if link is not None and _is_at(link.piece, data, at):
                return link
        for link, keep in ((old.far.get(state), self._keep_far_link), (old.next.get(state), self.keep)):
            if link is not None and _is_at(link.piece, data, at):
                keep(state, link)
                return link
        return None

    def _looked_up(self, state: State, data: bytes, at: int) -> Step:
        """Cut a piece and look for it."""
        end = end_of_piece(data, at)
        key = (not state, end == len(data), data[at:end])
        piece = self._young.pieces.get(key) or self._old.pieces.get(key)
        if piece is None:
            is_first, is_last, text = key
            return Step(at, state, Piece(text, is_last, nesting(text, is_first=is_first, is_last=is_last)), None)
        link = self._young.links.get((state, piece)) or self._old.links.get((state, piece))
        if link is not None:
            self.keep(state, link)
        return Step(at, state, piece, link)

    def _keep_far(self, data: bytes, steps: Sequence[Step]) -> None:
        """Join pieces that followed each other before; what moves on each turn did not."""
        first = 0
        for place, step in enumerate(steps):
            if step.link is None or len(step.piece.text) >= _FAR:
                first = place + 1
            elif step.end - steps[first].start >= _FAR and place > first:
                self._keep_far_link(steps[first].state, _far(data, steps[first : place + 1], step.link.state))
                first = place + 1

    def _keep_far_link(self, state: State, link: Link) -> None:
        with self._changing:
            self._young.far[state] = link
            self._grown(len(link.piece.text) + _OVERHEAD)

    def _grown(self, size: int) -> None:
        self._young.size += size
        if self._young.size > self._most // 2:
            self._young, self._old = _Half(), self._young


def _far(data: bytes, steps: Sequence[Step], state: State) -> Link:
    """Join pieces to one, behind the state before the first of them."""
    start, around = steps[0].start, steps[0].link.findings if steps[0].link else ()
    found: list[Finding] = list(moved(steps[0].piece.findings or (), 0))
    fits = [step.piece.fit for step in steps]
    for step in steps[1:]:
        ours = (*(step.link.findings if step.link else ()), *(step.piece.findings or ()))
        found += moved(ours, step.start - start)
        fits += [None] if step.link and step.link.findings else []
    whole = functools.reduce(joined, (step.piece.nesting for step in steps))
    piece = Piece(data[start : steps[-1].end], steps[-1].piece.is_last, whole, tuple(found))
    if all(fits):
        placed = [(one, step.start - start) for one, step in zip(fits, steps, strict=True) if one]
        kept = tuple(found for one, by in placed for found in moved(one.findings, by))
        piece.fit = Fit(kept, frozenset(at + by for one, by in placed for at in one.bare))
    return Link(piece, around, state)


def behind(state: State, piece: Piece) -> State:
    """Give the state behind a piece that follows `state`."""
    pieces, size = [piece], len(piece.text)
    for one in reversed(state):
        if size >= REACH:
            break
        pieces.append(one)
        size += len(one.text)
    return tuple(reversed(pieces))


def _is_at(piece: Piece, data: bytes, at: int) -> bool:
    return data.startswith(piece.text, at) and piece.is_last == (at + len(piece.text) == len(data))


def moved(findings: Iterable[Finding], by: int) -> Iterator[Finding]:
    """Give findings with other offsets."""
    return (
        Finding(start + by, end + by, kind, confidence, rule, value)
        for start, end, kind, confidence, rule, value in findings
    )
