"""Values cut by gaps, searched for only near the places where they may stand, with the same result as everywhere.

1. Around each place the gaps are taken out of so much data that an anchor fits in; all of it is searched in one pass.
   Of the many places with a feature, only those up to which an anchor has the same characters.
2. Where an anchor is found, a wider part is searched, and a wider one still while what is found reaches its border.
Everything is searched instead when there are too many places, or when for some form nothing tells the place.
"""

from typing import NamedTuple

from redactors.anchors import LONGEST
from redactors.matcher import Match, Pass, Segment
from redactors.sites import BORDER, LONGEST_SEQUENCE, Part, Sites, are_few, around, grouped, with_features
from redactors.spans import Span, cut_spans
from redactors.squeeze import Copies, Gaps, Squeezed

_WIDER = 512  # bytes around an anchor that are searched at first
_SPAN_MARGIN = 96
_MOST_PARTS = 32  # with anchors in so many parts a copy of everything is cheaper


class Neighbourhood(NamedTuple):
    """The parts of the data around some places; `text` is what they hold besides gaps.

    `spans`: what is around each place, whether it is one of an anchor or not: _SPAN_MARGIN bytes or more.
    """

    parts: list[Part]
    text: bytes
    spans: list[tuple[int, int]]


def neighbourhood(segments: tuple[Segment, ...], data: bytes, sites: Sites | None, kinds: Gaps) -> Neighbourhood | None:
    """Take the gaps out of the data around some places; None if they are too many or too much, or None."""
    if sites is None or not are_few(len(sites.features) + len(sites.others), data):
        return None
    features = with_features(data, sites, [segment.tails for segment in segments])
    sequences = sites.sequences
    parts = around(data, features, LONGEST, kinds, sequences=sequences)  # an anchor with a feature is no longer
    reach = max((LONGEST, *(segment.reach for segment in segments)))
    others = around(data, sorted(set(sites.others)), reach, kinds, sequences=sequences)
    if parts is None or others is None:
        return None
    parts += others
    spans = grouped(sites.features, _SPAN_MARGIN, len(data)) + [(start, end) for start, end, _ in parts]
    return Neighbourhood(parts, BORDER.join([text for _, _, text in parts]), spans)


def cuts_in(
    segments: tuple[Segment, ...], copies: Copies, near: Neighbourhood | None, kinds: Gaps, wide: Gaps
) -> list[Span]:
    """Find values cut by gaps in a neighbourhood; everywhere in the data of `copies` if it is None.

    `kinds`: the kinds of gap in which an anchor is looked for; `wide`: those between the other characters.
    """
    size = len(copies.data)
    parts = _anchors_everywhere(segments, copies.of(0, size, kinds)) if near is None else _anchors_in(segments, near)
    if len(parts) > _MOST_PARTS:
        parts = [(0, size)]
    return [span for start, end in parts for span in _widened(segments, copies, start, end, wide)]


def _anchors_in(segments: tuple[Segment, ...], near: Neighbourhood) -> list[tuple[int, int]]:
    if not near.text or not _anchors(segments, near.text):
        return []
    return [(start, end) for start, end, text in near.parts if _anchors(segments, text)]


def _anchors_everywhere(segments: tuple[Segment, ...], copy: Squeezed) -> list[tuple[int, int]]:
    found = sorted(_anchors(segments, copy.text), key=_start_of)
    if len(found) > _MOST_PARTS:
        return [(0, len(copy.data))]
    return [(copy.places(match.start, match.end)[0], copy.places(match.start, match.end)[-1]) for match in found]


def _start_of(match: Match) -> int:
    return match.start


def _anchors(segments: tuple[Segment, ...], text: bytes) -> list[Match]:
    return [match for segment in segments for match in segment.agreements(text, Pass.SQUEEZED)]


def _widened(segments: tuple[Segment, ...], copies: Copies, start: int, end: int, kinds: Gaps) -> list[Span]:
    wider, size = _WIDER, len(copies.data)
    while True:
        first, last = max(0, start - wider), min(size, end + wider)
        copy = copies.of(first, last, kinds)
        matches = [match for segment in segments for match in segment.agreements(copy.text, Pass.SQUEEZED)]
        if not any(_is_at_border(match, copy, first > 0, last < size) for match in matches):
            spans = cut_spans([match for match in matches if match.counts], copy)
            return [span._replace(start=span.start + first, end=span.end + first) for span in spans]
        wider *= 4


def _is_at_border(match: Match, copy: Squeezed, before: bool, behind: bool) -> bool:  # noqa: FBT001  (two sides)
    """Whether the match may go on beyond the part, of which a sequence cut at its border may be left."""
    slack = LONGEST_SEQUENCE if b"\x1b" in copy.data or copy.kinds.written else LONGEST
    return (before and match.start <= slack) or (behind and match.end >= len(copy.text) - slack)
