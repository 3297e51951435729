r"""JSON read as raw bytes: in which string an offset lies, how spans keep a document valid and the provider's own.

Documents are never parsed and written anew: that would change bytes that providers have signed or cached. What is
needed is little and near: the quotation mark that opens the string around a finding, and the key before it. Only where
that is called like a field of the provider's own, what leads there is looked at (`ownfields`).

Rules of this file:
1. A quotation mark that no backslash escapes opens or closes a string. It cannot open one unless `{`, `[`, `,` or `:`
   stands before it, and cannot close one unless `,`, `:`, `}` or `]` stands behind it (RFC 8259). Walking back from
   an offset, the first mark of which only one can be said says what all marks up to the offset are.
2. A string may hold JSON again. A span that neither begins nor ends within a run of backslashes and what it escapes
   keeps that whole at every depth.
3. Assumes valid JSON; on other input the answers are only useless.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from redactors.finding import Finding
from redactors.ownshapes import NAMES
from redactors.patterns import Patterns, shared

if TYPE_CHECKING:
    from redactors.ownfields import OwnFields

_KEY = re.compile(rb'"(?:%b)"[ \t\r\n]*:[ \t\r\n]*\Z' % b"|".join(sorted(name.encode() for name in NAMES)))
_KEY_REACH = 64  # of a key and the blanks around its colon
_BEFORE_OPENING = frozenset(b"{[,:")
_BEHIND_CLOSING = frozenset(b",:}]")
_BLANKS = b" \t\r\n"
_FIRST_STEP = 2_048
_MOST_MARKS = 16  # in a long part with more of them the last is near; each costs a call back into Python
_NUMBER = re.compile(rb"[-+0-9.eE]")
_ESCAPABLE = frozenset(b'"\\/bfnrtu')
_UNICODE_ESCAPE = re.compile(rb"u[0-9a-fA-F]{4}")
_LONGEST_ESCAPE = 6
_ESCAPED = re.compile(rb"\\{1,15}(?:([nrt])|u00([0-9a-fA-F]{2})|([/\"']))")
_CONTROL = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def _maybe_marks() -> Patterns:
    """Give what tells every quotation mark that no backslash escapes, and few others; not one that begins the data."""
    return shared(rb'(?:[^\\]|\\\\)"')


def closing_quote(data: bytes, start: int, end: int) -> int:
    """Give the offset of the first quotation mark in `data[start:end]` that no backslash escapes, or `end`."""
    at = data.find(b'"', start, end)
    while at >= 0 and _backslashes_before(data, at) % 2:
        at = data.find(b'"', at + 1, end)
    return at if at >= 0 else end


def unescaped(value: bytes) -> bytes:
    r"""Undo `\n`, `\t`, `\/` and `\u00XX`, whatever their depth: the form in which one secret has one placeholder."""
    if b"\\" not in value:
        return value

    def plain(escape: re.Match[bytes]) -> bytes:
        if escape[1]:
            return _CONTROL[escape[1]]
        return bytes.fromhex(escape[2].decode()) if escape[2] else escape[3]

    return _ESCAPED.sub(plain, value)


class Strings:
    """Answers for rising offsets which string of `data` each lies in; looks at what stands near before it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._opening = -1

    def opening(self, offset: int) -> int:
        """Give the offset of the quotation mark that opens the string around `offset`, or -1; offsets must not fall."""
        low, step = offset, _FIRST_STEP
        last, flips = -1, 0
        while low > self._at:
            high, low = low, self._boundary(max(self._at, low - step))
            for mark in self._marks_before(low, high):
                last = mark if last < 0 else last
                opens = self._opens(mark)
                if opens is not None:
                    return self._remember(offset, last if opens ^ bool(flips & 1) else -1)
                flips += 1
            step *= 4
        if last < 0:
            return self._remember(offset, self._opening)
        return self._remember(offset, last if (self._opening < 0) ^ (flips % 2 == 0) else -1)

    def covers(self, offset: int) -> bool:
        """Tell whether `offset` lies inside a string; offsets must not fall."""
        return self.opening(offset) >= 0

    def _remember(self, offset: int, opening: int) -> int:
        self._at, self._opening = self._boundary(offset), opening
        return opening

    def _boundary(self, at: int) -> int:
        """Never cut a run of backslashes: they pair from its left end."""
        while at > self._at and self._data[at - 1] == 0x5C:
            at -= 1
        return at

    def _marks_before(self, low: int, high: int) -> Iterator[int]:
        """Give the quotation marks of `data[low:high]` that no backslash escapes, from the last to the first."""
        few = self._few_marks(low, high) if high - low > _FIRST_STEP else None
        if few is not None:
            yield from few
            return
        piece = self._data[low:high]
        if b"\\" in piece:
            piece = piece.replace(rb"\\", b"..").replace(rb"\"", b"..")
        at = piece.rfind(b'"')
        while at >= 0:
            yield low + at
            at = piece.rfind(b'"', 0, at)

    def _few_marks(self, low: int, high: int) -> list[int] | None:
        """Give the same, five times as fast in a long string, where most are escaped; None if they are not few.

        No backslash stands before `low`, so the byte before it and the mark are all that tells of a mark there.
        """
        first = max(0, low - 1)
        maybe = _maybe_marks().scan_some(memoryview(self._data)[first:high], _MOST_MARKS)
        if not maybe.complete:
            return None
        marks = {first + end - 1 for _, end in maybe.hits}
        if not low and self._data[:1] == b'"':
            marks.add(0)
        return [mark for mark in sorted(marks, reverse=True) if not _backslashes_before(self._data, mark) % 2]

    def _opens(self, mark: int) -> bool | None:
        """Tell whether a mark opens a string or closes one, by its neighbours; None if they allow both."""
        data = self._data
        before, behind = mark - 1, mark + 1
        while before >= 0 and data[before] in _BLANKS:
            before -= 1
        if before >= 0 and data[before] not in _BEFORE_OPENING:
            return False
        while behind < len(data) and data[behind] in _BLANKS:
            behind += 1
        if behind < len(data) and data[behind] not in _BEHIND_CLOSING:
            return True
        return None


def fit(data: bytes, findings: Sequence[Finding]) -> tuple[list[Finding], frozenset[int]]:
    """Keep and trim findings so that replacing them leaves valid JSON and the provider's own fields untouched.

    The second answer are the starts of those that are bare numbers: their placeholder needs quotation marks.
    """
    return _fitted(data, findings, _Asking(data).holds)


def fit_anywhere(data: bytes, findings: Sequence[Finding]) -> tuple[list[Finding], frozenset[int]] | None:
    """Give what `fit` gives in every document that holds the strings around these findings; None if they differ."""
    try:
        return _fitted(data, findings, _not_known)
    except _LeadsError:
        return None


class _Asking:
    """Asks what leads to a string, of a document in which something was found under such a name: few are."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._fields: OwnFields | None = None

    def holds(self, opening: int) -> bool:
        """Tell whether the string that opens at `opening` is the provider's own."""
        if self._fields is None:
            from redactors.ownfields import OwnFields  # noqa: PLC0415 (msgspec: 16 ms)

            self._fields = OwnFields(self._data)
        return self._fields.holds(opening)


class _LeadsError(Exception):
    """What leads to a string says whose it is."""


def _not_known(_opening: int) -> bool:
    raise _LeadsError


def _fitted(
    data: bytes, findings: Sequence[Finding], is_own: Callable[[int], bool]
) -> tuple[list[Finding], frozenset[int]]:
    strings = Strings(data)
    kept: list[Finding] = []
    bare: set[int] = set()
    for found in findings:
        known = found.rule.startswith("known")
        opening = strings.opening(found.start)
        if opening < 0:
            fitted = _bare(data, found) if known else None
        elif not known and _is_named_so(data, opening) and is_own(opening):
            fitted = None
        else:
            fitted = _in_string(data, found)
        if fitted is None or (kept and kept[-1].end > fitted.start):
            continue
        kept.append(fitted)
        if opening < 0:
            bare.add(fitted.start)
    return kept, frozenset(bare)


def _is_named_so(data: bytes, opening: int) -> bool:
    """Whether a string may be the value of a field of the provider's own, by what stands before it."""
    return _KEY.search(data, max(0, opening - _KEY_REACH), opening) is not None


def _in_string(data: bytes, found: Finding) -> Finding | None:
    start = _behind_escape(data, found.start)
    end = closing_quote(data, start, found.end)
    end = _before_escape(data, start, _whole_unicode_escape(data, end))
    if start >= end:
        return None
    if found.rule.startswith("known"):
        return found._replace(start=start, end=end)
    return found._replace(start=start, end=end, value=_as_read(data[start:end], found.value))


def _as_read(span: bytes, value: bytes) -> bytes:
    r"""Give the value of a span as who reads the document sees it: then what is restored is what stood there.

    A secret of several lines keeps the one value that it has at every depth.
    """
    if b"\n" in value or b"\\" not in span:
        return value
    try:
        return json.loads(b'"%b"' % span, strict=False).encode("utf-8", "surrogatepass")  # type: ignore[no-any-return]
    except ValueError:
        return span


def _behind_escape(data: bytes, start: int) -> int:
    """Move a start that lies within an escape, of whatever depth, behind it."""
    whole = _whole_unicode_escape(data, start)
    if whole > start or not _backslashes_before(data, start) or data[start] not in _ESCAPABLE:
        return whole
    while data[start : start + 1] == b"\\":
        start += 1
    return start + (5 if _UNICODE_ESCAPE.match(data, start) else 1)


def _before_escape(data: bytes, start: int, end: int) -> int:
    """Move an end that lies behind a backslash before its whole run: what it escapes stands behind the end."""
    while end > start and data[end - 1] == 0x5C:
        end -= 1
    return end


def _whole_unicode_escape(data: bytes, end: int) -> int:
    """Move an end that lies within the digits of an escape behind them."""
    at = data.rfind(b"\\u", max(0, end - _LONGEST_ESCAPE), end)
    escape = _UNICODE_ESCAPE.match(data, at + 1) if at >= 0 else None
    return max(end, escape.end()) if escape else end


def _bare(data: bytes, found: Finding) -> Finding | None:
    """Widen a known value found in a number to the whole number; anything else outside strings is structure."""
    start, end = found.start, found.end
    if not all(_NUMBER.match(data, at) for at in range(start, end)):
        return None
    while start and _NUMBER.match(data, start - 1):
        start -= 1
    while _NUMBER.match(data, end):
        end += 1
    return found._replace(start=start, end=end, value=data[start:end])


def _backslashes_before(data: bytes, offset: int) -> int:
    run = offset
    while run and data[run - 1] == 0x5C:
        run -= 1
    return offset - run
