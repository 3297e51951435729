r"""What was searched once is not searched again: a conversation is sent whole each turn, and little of it is new.

Rules of this file:
1. A document is cut at structure only, never within a string (`borders`).
2. A piece that was seen is known by its bytes. Nothing else says that two are the same, so nobody can pass one off as
   another.
3. What stands within `REACH` bytes of a border is searched again wherever a piece follows others that it never
   followed before; this is further than any key, word or context counts. What is new and stands together is searched
   together.
4. What is found covers whatever a search of the whole finds. It may cover more: a word that made its neighbour
   suspicious once, and has changed since.
5. What is no JSON, and what exceeds half of the memory, is searched whole and not remembered. Where there is a new
   known value, all is searched anew, once.
6. What is remembered is bounded: at the bound, the half that was not needed of late is dropped.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from redactors.context import as_read
from redactors.enclosure import within_strings
from redactors.finding import Finding
from redactors.jsonbytes import Strings, fit
from redactors.nesting import is_document, is_json, is_json_lines
from redactors.remembered import REACH, Fit, Link, Pieces, Step, behind, moved

_KEPT = 800  # what is found further beyond a border may be due to the cut that was made there
_STRETCH = 65_536  # what is searched at once, about: other threads of the process wait for its parts
_DATA = b'"data"'  # a field that belongs to the provider or not, as another one says (see `jsonbytes.is_opaque`)


class Values(Protocol):
    """What is needed of the known values."""

    @property
    def generation(self) -> int:
        """Grows with every value."""


class Searching(Protocol):
    """What is needed of an engine."""

    @property
    def known(self) -> Values | None:
        """The known values that it finds."""

    def find(self, data: bytes) -> Sequence[Finding]:
        """Find secrets: sorted, not overlapping."""


class Found(NamedTuple):
    """What was found, sorted and not overlapping.

    In a JSON document, or lines of them, it is fit to be replaced, `quotes` as `jsonbytes.fit` gives them; other data
    was searched as bytes.
    """

    findings: Sequence[Finding]
    quotes: frozenset[int]
    is_json: bool


class Memory:
    """Finds what `engine` finds; what was seen before is not searched again. May be shared between threads.

    `most` bounds what is remembered, in bytes.
    """

    def __init__(self, engine: Searching, *, most: int = 64 * 2**20) -> None:
        self._engine = engine
        self._most = most
        self._forgotten = 0
        self._pieces = Pieces((-1, 0), most)

    def forget(self) -> None:
        """Search everything anew from now on: a source of the engine knows more than before."""
        self._forgotten += 1

    def find(self, data: bytes) -> Found:
        """Find secrets in a JSON document; what is none is searched as bytes."""
        if len(data) > self._most // 2:
            return self._whole(data, is_document=is_json(data) or is_json_lines(data))
        pieces = self._current()
        steps = pieces.path(data)
        if not is_document(step.piece.nesting for step in steps) and not is_json(data):
            return self._whole(data, is_document=is_json_lines(data))
        return _gathered(data, self._searched(pieces, data, steps))

    def _whole(self, data: bytes, *, is_document: bool) -> Found:
        found = self._engine.find(data)
        return Found(*(fit(data, found) if is_document else (found, frozenset[int]())), is_document)

    def _current(self) -> Pieces:
        """Give what is remembered: nothing if there are new values since."""
        known = self._engine.known
        generation = (known.generation if known is not None else 0, self._forgotten)
        pieces = self._pieces
        if pieces.generation != generation:  # who searches with the old ones remembers what nobody asks for any more
            pieces = self._pieces = Pieces(generation, self._most)
        return pieces

    def _searched(self, pieces: Pieces, data: bytes, steps: Sequence[Step]) -> list[tuple[int, Link]]:
        """Give all pieces with their places; search what is new, and around borders that are."""
        links: dict[int, Link] = {}
        for low, high, some in _stretches([step for step in steps if step.link is None]):
            found = list(self._near(data, low, high))
            for step in some:
                link = links[step.start] = _link(data, found, step)
                pieces.keep(step.state, link)
        return [(step.start, step.link or links[step.start]) for step in steps]

    def _near(self, data: bytes, low: int, high: int) -> Iterator[Finding]:
        """Find in `data[low:high]` and around it; as far on as what is found there."""
        first, last = max(0, low - REACH), high + REACH
        findings = self._engine.find(data[first:last])
        while findings and first + findings[-1].end == last < len(data):
            last = high + (last - high) * 4
            findings = self._engine.find(data[first:last])
        strings = Strings(data)
        for found in moved(findings, first):
            if low - _KEPT < found.end and found.start < high + _KEPT:
                yield from _in_strings(data, strings, found)


def _stretches(steps: Iterable[Step]) -> Iterator[tuple[int, int, list[Step]]]:
    """Put steps together that are searched together; give from where to where they are new, and these steps."""
    low, high, some = 0, 0, list[Step]()
    for step in steps:
        if some and (step.start - high > 2 * REACH or high - low > _STRETCH):
            yield low, high, some
            some = []
        low = low if some else step.start
        high = step.end if step.piece.findings is None else step.start
        some.append(step)
    if some:
        yield low, high, some


def _link(data: bytes, found: Sequence[Finding], step: Step) -> Link:
    """Give the link to a step of what was found in it and around it; a new piece gets what is its own."""
    if step.piece.findings is None:
        own = _within(found, step.start, step.end)
        step.piece.findings = tuple(moved(own, -step.start))
        step.piece.fit = _fit(data, own, step)
    around = tuple(moved(_around(data, found, step), -step.start))
    return Link(step.piece, around, behind(step.state, step.piece))


def _in_strings(data: bytes, strings: Strings, found: Finding) -> Iterator[Finding]:
    """Cut what only a view of the whole document keeps within strings: a run of denied code."""
    if not found.rule.startswith("fingerprint:"):
        yield found
        return
    for start, end in within_strings(data, strings, found.start, found.end):
        yield found if (start, end) == found[:2] else _cut(data, found, start, end)


def _within(found: Sequence[Finding], start: int, end: int) -> list[Finding]:
    """Give those of `found`, which do not overlap, that lie between two offsets."""
    first, last = bisect_left(found, start, key=_start), bisect_left(found, end, key=_start)
    return [one for one in found[first:last] if one.end <= end]


def _around(data: bytes, found: Sequence[Finding], step: Step) -> Iterator[Finding]:
    """Give of `found` what lies around the start of a step, and is kept with none of the pieces that meet there."""
    first, last = (
        bisect_right(found, step.start - _KEPT, key=_end_of),
        bisect_left(found, step.start + _KEPT, key=_start),
    )
    if first >= last:
        return
    low = step.start
    kept = set(moved(step.piece.findings or (), low))
    for piece in reversed(step.state):
        low -= len(piece.text)
        kept.update(moved(piece.findings or (), low))
    for one in found[first:last]:
        start, end = max(one.start, low), min(one.end, step.end)
        if one not in kept and start < end:
            yield one if (start, end) == one[:2] else _cut(data, one, start, end)


def _fit(data: bytes, own: Sequence[Finding], step: Step) -> Fit | None:
    """Fit what was found in a piece, once for all, unless a neighbour says what the provider wrote in it."""
    if own and _DATA in step.piece.text:
        return None
    kept, bare = fit(data, own)
    return Fit(tuple(moved(kept, -step.start)), frozenset(at - step.start for at in bare))


def _gathered(data: bytes, links: Iterable[tuple[int, Link]]) -> Found:
    kept: list[Finding] = []
    loose: list[Finding] = []
    quotes: set[int] = set()
    for start, link in links:
        if link.findings:
            loose += moved(link.findings, start)
        if link.piece.fit is None:
            loose += moved(link.piece.findings or (), start)
        elif link.piece.fit.findings:
            kept += moved(link.piece.fit.findings, start)
            quotes.update(start + at for at in link.piece.fit.bare)
    if loose:
        fitted, bare = fit(data, _together(data, loose))
        kept, quotes = _together(data, [*kept, *fitted]), quotes | bare
    return Found(kept, frozenset(quotes), is_json=True)


def _together(data: bytes, findings: Iterable[Finding]) -> list[Finding]:
    """Put findings in order; of those that overlap the earlier one is whole, and what the other one adds is kept."""
    taken: list[Finding] = []
    for one in sorted(findings, key=_place):
        end = taken[-1].end if taken else 0
        if one.start >= end:
            taken.append(one)
        elif one.end > end:
            taken.append(_cut(data, one, end, one.end))
    return taken


def _cut(data: bytes, found: Finding, start: int, end: int) -> Finding:
    value = found.value if found.rule.startswith("known") else as_read(data[start:end])
    return found._replace(start=start, end=end, value=value)


def _start(found: Finding) -> int:
    return found.start


def _end_of(found: Finding) -> int:
    return found.end


def _place(found: Finding) -> tuple[int, int]:
    return found.start, -found.end
