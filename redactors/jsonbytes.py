"""JSON read as raw bytes: where strings begin and end, which fields are opaque, how spans keep a document valid.

Documents are never parsed and written anew: that would change bytes that providers have signed or cached. What is
needed is little: whether an offset lies inside a string (an odd number of unescaped quotation marks before it), and
where the values of a few keys end. Assumes valid JSON (RFC 8259); on other input the answers are only useless.
"""

import re
from collections.abc import Iterator, Sequence

from redactors.finding import Finding

# Fields that the provider wrote and checks again when it gets them back: Anthropic `thinking` and `signature`,
# `data` of `redacted_thinking`; OpenAI `encrypted_content`.
_OPAQUE = (b'"thinking"', b'"signature"', b'"encrypted_content"')
_OPAQUE_TYPE = b'"redacted_thinking"'
_VALUE = re.compile(rb'\s*:\s*"')
_DATA_BEHIND = re.compile(rb'\s*,\s*"data"\s*:\s*"')
_DATA_BEFORE = re.compile(rb'\{\s*"data"\s*:\s*"')
_NUMBER = re.compile(rb"[-+0-9.eE]")
_ESCAPED = re.compile(rb"\\{1,15}(?:([nrt])|u00([0-9a-fA-F]{2})|([/\"']))")
_CONTROL = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def opaque_spans(data: bytes) -> list[tuple[int, int]]:
    """Give the spans of the values (without quotation marks) that belong to the provider."""
    starts = [value.end() for key in _OPAQUE for at in _keys(data, key) if (value := _VALUE.match(data, at + len(key)))]
    for at in _keys(data, _OPAQUE_TYPE):
        behind = _DATA_BEHIND.match(data, at + len(_OPAQUE_TYPE))
        before = _DATA_BEFORE.match(data, max(data.rfind(b"{", 0, at), 0))
        starts += [one.end() for one in (behind, before) if one]
    return [(start, closing_quote(data, start, len(data))) for start in starts]


def closing_quote(data: bytes, start: int, end: int) -> int:
    """Give the offset of the first quotation mark in `data[start:end]` that no backslash escapes, or `end`."""
    at = data.find(b'"', start, end)
    while at >= 0 and _backslashes_before(data, at) % 2:
        at = data.find(b'"', at + 1, end)
    return at if at >= 0 else end


def _keys(data: bytes, key: bytes) -> Iterator[int]:
    """Places of a quoted word outside strings: inside one, its quotation marks would be escaped."""
    at = data.find(key)
    while at >= 0:
        if data[at - 1 : at] != b"\\":
            yield at
        at = data.find(key, at + 1)


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
    """Answers for rising offsets whether each lies inside a string of `data`; one pass at memchr speed."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._inside = False

    def covers(self, offset: int) -> bool:
        """Tell whether `offset` lies inside a string; offsets must not fall."""
        start = self._at
        while offset > start and self._data[offset - 1] == 0x5C:
            offset -= 1  # never cut a run of backslashes: they pair from its left end
        if offset > start:
            piece = self._data[start:offset].replace(rb"\\", b"")
            self._inside ^= bool((piece.count(b'"') - piece.count(rb"\"")) & 1)
            self._at = offset
        return self._inside


def fit(data: bytes, findings: Sequence[Finding]) -> tuple[list[Finding], frozenset[int]]:
    """Keep and trim findings so that replacing them leaves valid JSON and the provider's own fields untouched.

    The second answer are the starts of those that are bare numbers: their placeholder needs quotation marks.
    """
    if not findings:
        return [], frozenset()
    opaque = opaque_spans(data)
    strings = Strings(data)
    kept: list[Finding] = []
    bare: set[int] = set()
    for found in findings:
        known = found.rule.startswith("known")
        if not known and any(start <= found.start < end for start, end in opaque):
            continue
        inside = strings.covers(found.start)
        fitted = _in_string(data, found) if inside else _bare(data, found) if known else None
        if fitted is None or (kept and kept[-1].end > fitted.start):
            continue
        kept.append(fitted)
        if not inside:
            bare.add(fitted.start)
    return kept, frozenset(bare)


def _in_string(data: bytes, found: Finding) -> Finding | None:
    start, end = found.start, found.end
    if _backslashes_before(data, start) % 2:
        start += 5 if data[start : start + 1] == b"u" else 1  # the span began inside an escape: leave the escape
    end = closing_quote(data, start, end)
    if _backslashes_before(data, end) % 2:
        end -= 1
    return found._replace(start=start, end=end) if start < end else None


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
