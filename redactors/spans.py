"""Where known values stand in data: whole, cut by gaps, in a hex dump, or in base64 of base64."""

import base64
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from redactors.finding import Confidence, Finding
from redactors.hints import Scout
from redactors.matcher import Match, Pass, Segment
from redactors.squeeze import Gaps, Squeezed

WIDEST_GAP = 256
"""Bytes between two neighbouring characters of a cut value: a terminal's line ends, borders and colours fit in."""
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_STANDARD_ALPHABET = bytes(
    byte if byte in _BASE64 else {0x2D: 0x2B, 0x5F: 0x2F}.get(byte, 0x41) for byte in range(256)
)  # `-_` become `+/`, foreign bytes `A`: decoding keeps its step
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


def exact_spans(segments: tuple[Segment, ...], data: bytes) -> list[Span]:
    """Values that stand in `data` without a gap."""
    return [
        Span(match.start, match.end, owner(match), _rule(match, ""))
        for segment in segments
        for match in segment.search(data, Pass.EXACT)
    ]


def cut_spans(segments: tuple[Segment, ...], copy: Squeezed) -> list[Span]:
    """Values that stand in the copy without gaps, with their places in the data."""
    spans = []
    for segment in segments:
        for match in segment.search(copy.text, Pass.SQUEEZED):
            places = copy.places(match.start, match.end)
            if may_be_cut(copy.data, match, places):
                start = _with_escape(copy.data, places[0])
                spans.append(Span(start, places[-1] + 1, owner(match), _rule(match, "-cut")))
    return spans


def twice_encoded_spans(segments: tuple[Segment, ...], copy: Squeezed, scout: Scout) -> Iterator[Span]:
    """Values in base64 of base64: what looks like it is decoded once, and searched for the forms of values."""
    for start, end in scout.twice_encoded(copy.text):
        first = start - 4 if start >= 4 else start  # the neighbours hold the rest of the first and the last byte
        outer = copy.text[first : end + 4].translate(_STANDARD_ALPHABET)
        inner = base64.b64decode(outer + b"A" * (-len(outer) % 4))
        for segment in segments:
            for match in segment.search(inner, Pass.EXACT):
                places = copy.places(first + match.start * 4 // 3, first - (-match.end * 4 // 3))
                yield Span(places[0], places[-1] + 1, owner(match), f"known:{match.target.form}-in-base64")


def dump_spans(segments: tuple[Segment, ...], data: bytes) -> list[Span]:
    """Values in the columns of a hex dump; the last line is masked to its end, for its text column."""
    return [
        span._replace(end=_line_end(data, span.end)) for span in cut_spans(segments, Squeezed(data, Gaps(dump=True)))
    ]


def resolve(spans: list[Span]) -> list[Finding]:
    """Turn spans into findings: the leftmost wins, of those the longest; what overlaps begins behind it."""
    findings: list[Finding] = []
    done = 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        start = max(span.start, done)
        if span.end > start:
            done = span.end
            findings.append(Finding(start, done, span.known.kind, Confidence.CERTAIN, span.rule, span.known.value))
    return findings


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
    return lines <= 1 + len(places) // 16 and all(gap.strip(b" \t") for gap in foreign)


def owner(match: Match) -> Known:
    """Give the known value a match is of."""
    owner = match.target.owner
    assert isinstance(owner, Known)  # noqa: S101  (only this module makes targets)
    return owner


def _rule(match: Match, suffix: str) -> str:
    return f"known:{match.target.form}{suffix}{'' if match.is_whole else '-trimmed'}"


def _with_escape(data: bytes, start: int) -> int:
    """Take in the backslashes before an escaped first character: none is left to escape the placeholder."""
    while start and data[start - 1] == 0x5C and not chr(data[start]).isalnum():
        start -= 1
    return start


def _line_end(data: bytes, place: int) -> int:
    end = _LINE_END.search(data, place)
    return end.start() if end else len(data)
