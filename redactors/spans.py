"""Where known values stand in data: whole, cut by gaps, in a hex dump, or in base64 of base64."""

import base64
import re
from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from redactors.anchors import CHARACTERS_PER_GAP
from redactors.finding import Confidence, Finding
from redactors.hexbytes import Decoded
from redactors.hints import Scout
from redactors.matcher import Match, Pass, Segment
from redactors.sites import widened
from redactors.squeeze import Copies, Gaps, Squeezed

WIDEST_GAP = 256
"""Bytes between two neighbouring characters of a cut value: a terminal's line ends, borders and colours fit in."""
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_STANDARD_ALPHABET = bytes(
    byte if byte in _BASE64 else {0x2D: 0x2B, 0x5F: 0x2F}.get(byte, 0x41) for byte in range(256)
)  # `-_` become `+/`, foreign bytes `A`: decoding keeps its step
_TRIMMED = "-trimmed"
_TWICE_MARGIN = 256  # bytes around a long run that may belong to the same base64: the rest of a line, a short last one
_LINE_END = re.compile(rb"\r?\n|\\+[rn]|\Z")


class Known(NamedTuple):
    """A value to search for. `breaks`: places in its squeezed copy where the value itself has a blank."""

    kind: str
    value: bytes
    random: bool
    breaks: frozenset[int]


class Span(NamedTuple):
    """Where a known value stands in the data, and in which form."""

    start: int
    end: int
    known: Known
    rule: str


def exact_spans(matches: Iterable[Match]) -> list[Span]:
    """Values that stand in the data without a gap."""
    return [Span(match.start, match.end, owner(match), _rule(match, "")) for match in matches]


def cut_spans(matches: Iterable[Match], copy: Squeezed) -> list[Span]:
    """Values that stand in the copy without gaps, with their places in the data."""
    spans = []
    for match in matches:
        places = copy.places(match.start, match.end)
        if may_be_cut(copy.data, match, places):
            start = _with_escape(copy.data, places[0])
            spans.append(Span(start, places[-1] + 1, owner(match), _rule(match, "-cut")))
    return spans


def twice_encoded_spans(
    segments: tuple[Segment, ...], copies: Copies, runs: list[tuple[int, int]] | None, scout: Scout, kinds: Gaps
) -> Iterator[Span]:
    """Values in base64 of base64 near `runs` or anywhere: what looks like it is decoded and searched for all forms."""
    size = len(copies.data)
    parts = [(0, size)] if runs is None else widened(runs, _TWICE_MARGIN, size)
    for first, last in parts:
        copy = copies.of(first, last, kinds)
        for span in _twice_encoded(segments, copy, scout):
            yield span._replace(start=span.start + first, end=span.end + first)


def _twice_encoded(segments: tuple[Segment, ...], copy: Squeezed, scout: Scout) -> Iterator[Span]:
    for start, end in scout.twice_encoded(copy.text):
        first = start - 4 if start >= 4 else start  # the neighbours hold the rest of the first and the last byte
        outer = copy.text[first : end + 4].translate(_STANDARD_ALPHABET)
        inner = base64.b64decode(outer + b"A" * (-len(outer) % 4))
        for segment in segments:
            for match in segment.search(inner, Pass.EXACT):
                places = copy.places(first + match.start * 4 // 3, first - (-match.end * 4 // 3))
                yield Span(places[0], places[-1] + 1, owner(match), f"known:{match.target.form}-in-base64")


def dump_spans(segments: tuple[Segment, ...], data: bytes) -> Iterator[Span]:
    """Values in the columns of a hex dump; the last line is masked to its end, for its text column."""
    copy = Squeezed(data, Gaps(dump=True))
    for segment in segments:
        for span in cut_spans(segment.search(copy.text, Pass.SQUEEZED), copy):
            yield span._replace(end=_line_end(data, span.end))


def decoded_spans(segments: tuple[Segment, ...], decoded: Decoded) -> Iterator[Span]:
    """Values among bytes that the data holds as hex digits."""
    found = [match for segment in segments if decoded.text for match in segment.search(decoded.text, Pass.EXACT)]
    if found:
        places = decoded.places()
        for match in found:
            written = places[match.start : match.end]
            start, end = min(start for start, _ in written), max(end for _, end in written)
            yield Span(start, end, owner(match), f"known:{match.target.form}-in-hex")


def resolve(spans: list[Span]) -> list[Finding]:
    """Turn spans into findings that do not overlap and cover every byte of every span.

    Whole values take their place before trimmed ones, then the leftmost and longest first; of a later one that
    overlaps the rest remains, as a trimmed value.
    """
    taken: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.rule.endswith(_TRIMMED), span.start, -span.end)):
        for start, end in list(_left_of(span, taken)):
            is_part = (start, end) != (span.start, span.end) and not span.rule.endswith(_TRIMMED)
            rule = span.rule + _TRIMMED if is_part else span.rule
            insort(taken, Span(start, end, span.known, rule), key=_start_of)
    return [
        Finding(span.start, span.end, span.known.kind, Confidence.CERTAIN, span.rule, span.known.value)
        for span in taken
    ]


def _left_of(span: Span, taken: list[Span]) -> Iterator[tuple[int, int]]:
    """Give the parts of `span` that no span in `taken` covers; those do not overlap and are in order."""
    at = bisect_right(taken, span.start, key=_start_of)
    start = max(span.start, taken[at - 1].end) if at else span.start
    while start < span.end:
        following = taken[at] if at < len(taken) else None
        end = min(span.end, following.start) if following else span.end
        if start < end:
            yield start, end
        start = following.end if following else span.end
        at += 1


def _start_of(span: Span) -> int:
    return span.start


def may_be_cut(data: bytes, match: Match, places: list[int]) -> bool:
    """Whether what stands between the characters of a cut value is a gap, not the text of a sentence.

    A random value may be cut by anything that was squeezed out; another one only by terminal sequences, escapes and a
    line end now and then, and by blanks where it has blanks itself.
    """
    known = owner(match)
    gaps = [
        (place, data[before + 1 : after])
        for place, (before, after) in enumerate(pairwise(places), 1)
        if after - before > 1
    ]
    if any(len(gap) > WIDEST_GAP for _, gap in gaps):
        return False
    if known.random:
        return True
    foreign = [gap for place, gap in gaps if place + match.first not in known.breaks]
    lines = sum(b"\x1b" not in gap and gap.strip(b"\\\0") != b"" for gap in foreign)
    return lines <= 1 + len(places) // CHARACTERS_PER_GAP and all(gap.strip(b" \t") for gap in foreign)


def owner(match: Match) -> Known:
    """Give the known value a match is of."""
    owner = match.target.owner
    assert isinstance(owner, Known)  # noqa: S101  (only this module makes targets)
    return owner


def _rule(match: Match, suffix: str) -> str:
    return f"known:{match.target.form}{suffix}{'' if match.is_whole else _TRIMMED}"


def _with_escape(data: bytes, start: int) -> int:
    """Take in the backslashes before an escaped first character: none is left to escape the placeholder."""
    while start and data[start - 1] == 0x5C and not chr(data[start]).isalnum():
        start -= 1
    return start


def _line_end(data: bytes, place: int) -> int:
    end = _LINE_END.search(data, place)
    return end.start() if end else len(data)
