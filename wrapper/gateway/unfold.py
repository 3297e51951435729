r"""Finds secrets that only show with escapes undone: `\u0041` and `%41` for `A`, also `%2541`. Pure.

A provider's JSON parser reads `\u0067hp_…` as the token it stands for, and a search over bytes does not see it. No
encoder writes printable ASCII that way but for `<`, `>`, `&` and `'` (which known values are searched with). URL
encoders do not agree on what they escape. So the surroundings of such escapes are searched a second time with the
escapes undone. What only that shows is a finding in the raw bytes, over the escapes it is written with; nothing else
changes.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from redactors.engine import Engine
from redactors.finding import Finding
from redactors.known import KnownValues
from redactors.pieces import Memory
from wrapper.gateway.attached import Attached

# Only from where a run of backslashes begins: else one that no escape ends would be read again from each of them.
_UNICODE = re.compile(rb"\\(?<!\\\\)\\*+u00([2-7][0-9a-fA-F])")
_PERCENT = re.compile(rb"%(?:25)*([2-7][0-9a-fA-F])")  # however many times over
_NEEDLESS_UNICODE = re.compile(
    rb"\\u00(?:2[013-589a-fA-F]|3[0-9abdfABDF]|[46][0-9a-fA-F]|5[0-9abd-fABD-F]|7[0-9a-eA-E])"
)
_STRUCTURE = b'"\\\x7f'  # stay escaped: undone they would end the string
# Bytes around an escape that are searched with it: the longest tokens of one line (JWT) are about this long.
_REACH = 2048
Marked = Callable[[Sequence[Finding]], Sequence[Finding]]
"""Goes over findings before anyone sees them; their places stay."""
_RARE, _MANY = 512, 16384  # a mark that is looked at costs as much as so many bytes; what is let pass at first


def _unmarked(findings: Sequence[Finding]) -> Sequence[Finding]:
    return findings


class Unfolding:
    """An engine's search, with what escapes hide."""

    def __init__(self, engine: Engine, marked: Marked = _unmarked) -> None:
        self._engine = engine
        self._marked = marked

    @property
    def known(self) -> KnownValues | None:
        """The known values of the engine."""
        return self._engine.known

    def find(self, data: bytes) -> Sequence[Finding]:
        """Find secrets, hidden by escapes or not: sorted, not overlapping; offsets are bytes of `data`."""
        return self._marked(self._found(data))

    def _found(self, data: bytes) -> Sequence[Finding]:
        seen = self._engine.find(data)
        hidden = [found for start, end in _surroundings(data) for found in self._hidden(data, start, end, seen)]
        if not hidden:
            return seen
        known = [found for found in hidden if _is_known(found)]
        known += [part for found in seen if _is_known(found) for part in _beside(known, found)]
        ruled = [found for found in (*hidden, *seen) if not _is_known(found)]
        return self._engine.settle(data, known, ruled)

    def _hidden(self, data: bytes, start: int, end: int, seen: Sequence[Finding]) -> Iterator[Finding]:
        """Give what shows in `data[start:end]` only when its escapes are undone, and not because of the cut."""
        read = _Undone(data[start:end], _UNICODE)
        decoded = _Undone(read.text, _PERCENT)
        found = self._engine.find(decoded.text)
        cut = self._engine.find(data[start:end]) if found else ()
        for one in found:
            first, last = read.raw(*decoded.raw(one.start, one.end))
            if not (
                _is_covered(seen, start + first, start + last, one.value) or _is_covered(cut, first, last, one.value)
            ):
                yield one._replace(start=start + first, end=start + last)


def remembering(engine: Engine, marked: Marked = _unmarked) -> Memory:
    """Make a memory that finds what escapes and attachments hide too."""
    return Memory(Attached(Unfolding(engine, marked)))


class _Undone:
    """A text with its escapes of one kind undone, and the way back."""

    def __init__(self, folded: bytes, escapes: re.Pattern[bytes]) -> None:
        self._ends: list[int] = []  # in `text`, behind each character that was escaped
        self._gone = [0]  # bytes that are gone up to there
        pieces: list[bytes] = []
        at = 0
        for escape in escapes.finditer(folded):
            character = bytes.fromhex(escape[1].decode())
            if character not in _STRUCTURE:
                pieces += (folded[at : escape.start()], character)
                at = escape.end()
                self._gone.append(self._gone[-1] + len(escape[0]) - 1)
                self._ends.append(at - self._gone[-1])
        self.text = b"".join((*pieces, folded[at:]))

    def raw(self, start: int, end: int) -> tuple[int, int]:
        """Give where `text[start:end]` stands in the folded text; escapes belong to it as a whole."""
        return start + self._gone[bisect_right(self._ends, start)], end + self._gone[bisect_right(self._ends, end)]


def _is_known(found: Finding) -> bool:
    return found.rule.startswith("known")


def _beside(taken: Sequence[Finding], found: Finding) -> Iterator[Finding]:
    """Give what of a known value, of which not all was seen, lies beside `taken`, which are sorted."""
    start = found.start
    for one in taken:
        if one.start < found.end and start < one.end:
            if start < one.start:
                yield found._replace(start=start, end=one.start)
            start = one.end
    if start < found.end:
        yield found._replace(start=start)


def _is_covered(seen: Sequence[Finding], start: int, end: int, value: bytes) -> bool:
    """Tell whether the raw bytes show all of a value without undoing anything: the last one to begin there says it."""
    last = bisect_right(seen, start, key=lambda found: found.start) - 1
    return last >= 0 and seen[last].value == value and seen[last].end >= end


def _surroundings(text: bytes) -> Iterator[tuple[int, int]]:
    """Give the spans around escapes, rising, not overlapping."""
    start = end = -1
    for place in _escapes(text):
        if end < 0:
            start = place - _REACH
        elif place - _REACH > end:
            yield _begun_before_backslashes(text, start), end
            start = place - _REACH
        end = place + _REACH
    if end >= 0:
        yield _begun_before_backslashes(text, start), end


def _escapes(text: bytes) -> list[int]:
    return sorted((*_places(text, b"\\u00", _NEEDLESS_UNICODE), *_places(text, b"%", _PERCENT)))


def _places(text: bytes, mark: bytes, escape: re.Pattern[bytes]) -> Iterator[int]:
    """Give where escapes that begin with `mark` stand, rising.

    Where few marks stand, which is nearly always, to look for these alone is many times faster.
    """
    at, tried = text.find(mark), 0
    while at >= 0:
        tried += 1
        if tried * _RARE > at + _MANY:
            yield from (found.start() for found in escape.finditer(text, at))
            return
        if escape.match(text, at):
            yield at
        at = text.find(mark, at + 1)


def _begun_before_backslashes(text: bytes, start: int) -> int:
    """Never cut a run of backslashes: its left half would escape what its right half became."""
    start = max(0, start)
    while start and text[start - 1] == 0x5C:
        start -= 1
    return start
