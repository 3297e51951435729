r"""What was searched once is not searched again: a conversation is sent whole each turn, and little of it is new.

Rules of this file:
1. A document is cut at structure only, never within a string (`borders`).
2. A piece that was seen is known by its bytes. Nothing else says that two are the same, so nobody can pass one off as
   another.
3. What stands within `REACH` bytes of a border is searched again wherever a piece follows others that it never
   followed before; this is further than any key, word or context counts. What is new is searched together, also where
   it stands apart: then with so much between that neither counts for the other, and no finding crosses it.
4. What is found covers whatever a search of the whole finds. It may cover more: a word that made its neighbour
   suspicious once, and has changed since.
5. What is no JSON, and what exceeds half of the memory, is searched whole and not remembered. Where there is a new
   known value, all is searched anew, once.
6. What is remembered is bounded: at the bound, the half that was not needed of late is dropped.
7. Whether a field is the provider's own, what leads to it says, and a piece may stand at another place the next time:
   where something was found in one that is called so, that is asked of each document anew.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from redactors.context import as_read
from redactors.enclosure import within_strings
from redactors.finding import Finding
from redactors.jsonbytes import Strings, fit, fit_anywhere
from redactors.nesting import is_json, is_json_lines
from redactors.remembered import NOTHING, REACH, Fit, Path, Pieces, Placed, Step, moved

_KEPT = 800  # what is found further beyond a border may be due to the cut that was made there
_STRETCH = 65_536  # what is searched at once, about: other threads of the process wait for its parts
# Between what is searched together: a line ends, and nothing goes on across a byte that is no text, blank or gap. Who
# reads code takes that for a blank; but no code goes on across marks that none has, and no comment.
_BLANK, _NO_CODE = b"\x02" * (REACH // 2), b"?~" * 8
_APART = b"\n".join((b"", _BLANK, _NO_CODE, b"# " + _NO_CODE, _BLANK, b""))


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


@dataclass(slots=True)
class _Stretch:
    """Steps that are searched together, and from where to where they are new."""

    low: int
    high: int
    steps: list[Step]


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
        path = pieces.path(data)
        if not path.is_document and not is_json(data):
            return self._whole(data, is_document=is_json_lines(data))
        return _gathered(data, (*path.before, *self._searched(pieces, data, path), *path.behind))

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

    def _searched(self, pieces: Pieces, data: bytes, path: Path) -> list[Placed]:
        """Search what is new, and around borders that are; give the links of all steps that have findings."""
        for group in _groups(step for step in path.steps if step.is_new):
            for one, found in zip(group, self._found(data, group), strict=True):
                for step in one.steps:
                    _take_in(data, found, step)
        pieces.keep(path)
        return [(step.start, step.link) for step in path.steps if step.link.is_telling]

    def _found(self, data: bytes, group: Sequence[_Stretch]) -> Iterator[Sequence[Finding]]:
        """Give what is in each stretch and around it, by one search of them all: a small one costs hardly more alone.

        Each has `REACH` bytes around it, and as many stand between two, so none sees another. One in which something
        may go on beyond what was searched is searched alone. The last one stands first: no text of which a client sends
        one part behind the other, as of a file, then goes on from one stretch to the next.
        """
        if len(group) == 1:
            yield self._near(data, group[0])
            return
        texts = [data[max(0, one.low - REACH) : one.high + REACH] for one in group]
        together = _APART.join(reversed(texts))
        found = self._engine.find(together)
        end = len(together)
        for one, text in zip(group, texts, strict=True):
            start = end - len(text)
            own = [each for each in found if each.start < end and start < each.end] if found else ()
            by = max(0, one.low - REACH) - start
            if not own:
                yield ()
            elif own[0].start < start or own[-1].end > end or (own[-1].end == end and _goes_on(one, own[-1], by)):
                yield self._near(data, one)
            else:
                yield _close(data, one, own, by)
            end = start - len(_APART)

    def _near(self, data: bytes, one: _Stretch) -> Sequence[Finding]:
        """Find in a stretch and around it; as far on as what is found there."""
        first, last = max(0, one.low - REACH), one.high + REACH
        findings = self._engine.find(data[first:last])
        while findings and first + findings[-1].end == last < len(data) and _goes_on(one, findings[-1], first):
            last = one.high + (last - one.high) * 4
            findings = self._engine.find(data[first:last])
        return _close(data, one, findings, first)


def _groups(steps: Iterable[Step]) -> Iterator[list[_Stretch]]:
    """Put steps together that are searched together; the next ones are asked for when what is in these is known."""
    group: list[_Stretch] = []
    size = 0
    for step in steps:
        if size > _STRETCH:
            yield group
            group, size = [], 0
        if not group or step.start - group[-1].high > 2 * REACH:
            group.append(_Stretch(step.start, step.start, []))
        end = step.end if step.piece.findings is None else step.start
        size += end - group[-1].high
        group[-1].high = end
        group[-1].steps.append(step)
    if group:
        yield group


def _goes_on(one: _Stretch, found: Finding, by: int) -> bool:
    """Tell whether what is found at the end of what was searched may go on into what nobody has seen.

    A run of a file's code does not if one of the same file with the same start, that reaches as far, was found in the
    last piece before: of a run nothing stands before its start, so what stands behind, which is the same, says where it
    ends; and it is remembered with that piece, whole. What a rule finds may be another part of a value behind another
    key. `by` is what the offsets of `found` lack.
    """
    if not _is_run(found):
        return True
    last = one.steps[-1]
    start, end = found.start + by - last.start, found.end + by - last.start
    return not any(
        seen.start == start and seen.end >= end and seen.rule == found.rule for seen in last.piece.findings or ()
    )


def _is_run(found: Finding) -> bool:
    """Tell a run of a denied file's code."""
    return found.rule.startswith("fingerprint:")


def _close(data: bytes, one: _Stretch, findings: Sequence[Finding], by: int) -> Sequence[Finding]:
    """Give those findings that are due to a stretch, as they stand in strings; `by` is what their offsets lack."""
    if not findings:
        return ()
    strings = Strings(data)
    return [
        part
        for found in moved(findings, by)
        if one.low - _KEPT < found.end and found.start < one.high + _KEPT
        for part in _in_strings(data, strings, found)
    ]


def _take_in(data: bytes, found: Sequence[Finding], step: Step) -> None:
    """Give the link of a step what was found around its start; a new piece gets what is its own."""
    piece, link = step.piece, step.link
    if piece.findings is None:
        own = _within(found, step.start, step.end)
        piece.fit = _fit(data, own, step.start)
        piece.findings = tuple(moved(own, -step.start))
    if found:
        around = list(_around(data, found, step))
        link.fit = _fit(data, around, step.start)
        link.findings = tuple(moved(around, -step.start))


def _in_strings(data: bytes, strings: Strings, found: Finding) -> Iterator[Finding]:
    """Cut what only a view of the whole document keeps within strings: a run of denied code."""
    if not _is_run(found):
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
    for piece in reversed(step.before):
        low -= len(piece.text)
        kept.update(moved(piece.findings or (), low))
    for one in found[first:last]:
        start, end = max(one.start, low), min(one.end, step.end)
        if one not in kept and start < end:
            yield one if (start, end) == one[:2] else _cut(data, one, start, end)


def _fit(data: bytes, findings: Sequence[Finding], start: int) -> Fit | None:
    """Fit what was found in some pieces, once for all, unless what leads to it says whose it is.

    A string stands in one piece, and so does its key; but a piece may stand elsewhere in another document.
    """
    if not findings:
        return NOTHING
    fitted = fit_anywhere(data, findings)
    if fitted is None:
        return None
    kept, bare = fitted
    return Fit(tuple(moved(kept, -start)), frozenset(at - start for at in bare))


def _gathered(data: bytes, links: Sequence[Placed]) -> Found:
    if not links:
        return Found([], frozenset(), is_json=True)
    kept: list[Finding] = []
    loose: list[Finding] = []
    quotes: set[int] = set()
    overlap = False
    for start, link in links:
        overlap = overlap or bool(link.findings)
        for findings, fitted in ((link.findings, link.fit), (link.piece.findings, link.piece.fit)):
            if fitted is None:
                loose += moved(findings or (), start)
            elif fitted.findings:
                kept += moved(fitted.findings, start)
                quotes.update(start + at for at in fitted.bare)
    if loose:
        fitted_now, bare = fit(data, _together(data, loose))
        kept, quotes = [*kept, *fitted_now], quotes | bare
    if loose or overlap:
        kept = _together(data, kept)
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
