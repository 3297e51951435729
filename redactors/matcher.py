"""Anchors of values, and the longest agreement around each hit.

A value is not searched for as a whole but by a short anchor of each form, which costs little to compile (about 10 µs
each) and finds trimmed values too: around the anchor the data is compared with the form in both directions as far as
they agree.
"""

from collections.abc import Iterable
from enum import IntFlag
from typing import NamedTuple

from redactors.patterns import Patterns

_WHOLE_ANCHOR = 24  # of a form that only counts as a whole, this many bytes of its middle are the anchor


class Pass(IntFlag):
    """In which copy of the data a target is searched: the data itself, or the copy without gaps."""

    EXACT = 1
    SQUEEZED = 2
    BOTH = 3


class Target(NamedTuple):
    """One anchor of one form: `text[at:at+size]`. `whole`: a part of the form does not count."""

    text: bytes
    at: int
    size: int
    whole: bool
    within: Pass
    form: str
    owner: object

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


def targets(text: bytes, windows: Iterable[tuple[int, int]], *, within: Pass, form: str, owner: object) -> list[Target]:
    """Anchors of a form at `windows`; without windows one in its middle, and only the whole form counts."""
    parts = [Target(text, start, end - start, False, within, form, owner) for start, end in windows]
    if parts or not text:
        return parts
    size = min(len(text), _WHOLE_ANCHOR)
    return [Target(text, (len(text) - size) // 2, size, True, within, form, owner)]


class Segment:
    """An immutable set of targets, compiled; `search` may be called from any thread."""

    def __init__(self, found_by: Iterable[Target]) -> None:
        self.targets = tuple(found_by)
        by_anchor: dict[bytes, list[Target]] = {}
        for target in self.targets:
            by_anchor.setdefault(target.anchor, []).append(target)
        self._by_id = tuple(tuple(group) for group in by_anchor.values())
        self._sizes = tuple(len(anchor) for anchor in by_anchor)
        self._anchors = Patterns(by_anchor, literal=True)

    def search(self, text: bytes, within: Pass) -> list[Match]:
        """Find every occurrence of a target of this pass in `text`, in no particular order.

        An occurrence with several anchors is given once, with its last one (hits come in order of their ends).
        """
        found: dict[tuple[int, int, bytes], Match] = {}
        for number, end in self._anchors.scan(text):
            for target in self._by_id[number]:
                if target.within & within:
                    match = _agreement(text, end - self._sizes[number], target)
                    if not target.whole or match.is_whole:
                        found[match.start, match.end, target.text] = match
        return list(found.values())


def _agreement(text: bytes, place: int, target: Target) -> Match:
    """Find the longest stretch around the anchor at `place` on which `text` and the form agree."""
    form, origin = target.text, place - target.at
    if text.startswith(form, origin) and origin >= 0:
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
