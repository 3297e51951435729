"""By what a value is searched for: an anchor in each form, more in the raw one; what tells where it may stand cut.

Base64 of base64 is no form of its own, but it must be told where it stands: by a FEATURE, or else by its pieces.
A form with a FEATURE in one anchor is found by it. Its other anchors, which find it trimmed, have two pieces: trimmed
and cut more than once within 12 characters, it may be missed. A value that is not random has as many pieces as
`redactors.spans.may_be_cut` allows gaps, and one more. What has neither is lone.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from redactors import encodings
from redactors.commonplace import SHORTEST, Windows, windows
from redactors.matcher import Pass, Target
from redactors.sites import DIGITS_IN_HEX, FEATURE, LONE_SIZE, TAIL
from redactors.squeeze import Gaps, own_gaps, squeeze

LONGEST = 16
"""Bytes of an anchor at most: so near to a place the data is looked at."""
CHARACTERS_PER_GAP = 16
"""A value that is not random may be cut once, and once more for each so many characters."""
_SHORTEST_PIECE = 3
_LEAST_HALF = 6
_FARTHEST = 64  # from a piece to the anchor
_LONG = 1_024
_MOST_IN_ITSELF = 64  # times that an anchor comes in a long value
_PLAIN = re.compile(rb"[A-Za-z0-9_.:@%+=,^-]+")  # nothing puts a backslash between these
_USUAL = Gaps()
_WITHOUT_GAPS = frozenset({"hex", "base64"})
_COMMON_FIRST = b"etaionrscldu0fphmbgxyEASTv1wC2INRLPO5467389BkDFMUVGHXKqjzWQYJZ"  # in source text; all else is rarer
_RARITY = {byte: at for at, byte in enumerate(_COMMON_FIRST)}
_Span = tuple[int, int]


class Anchors(NamedTuple):
    """What finds one value. `tails`: one of each anchor that is looked for near a feature (`redactors.sites.Tails`)."""

    targets: list[Target]
    pieces: list[bytes]
    lone: list[bytes]
    reach: int = LONGEST
    tails: Sequence[bytes] = ()


def anchors(value: bytes, marks: Windows, breaks: frozenset[int], owner: object) -> Anchors:
    """Choose anchors for all forms of `value`, whose windows are `marks`.

    `breaks`: places in its squeezed copy where it has a blank itself.
    """
    by_form = [
        _raw(form.text, marks, breaks, owner) if form.name == "raw" else _encoded(form, marks, owner)
        for form in encodings.forms(value)
    ]
    plain = [text for text in encodings.twice_encoded(value) if not FEATURE.search(text)]
    return Anchors(
        [target for found in by_form for target in found.targets],
        [*(piece for found in by_form for piece in found.pieces), *(half for text in plain for half in _halves(text))],
        [text for found in by_form for text in found.lone],
        max(found.reach for found in by_form),
        [tail for found in by_form for tail in found.tails],
    )


def says_it_over_and_over(value: bytes) -> bool:
    """Tell a long value of which no part is known, and whose anchor stands in it again and again.

    A search would compare all of it at each of these places; and nothing in it tells it from what is repeated alike.
    """
    if len(value) <= _LONG or windows(value).edges:
        return False
    texts = (value, squeeze(value, _USUAL))
    return any(text.count(text[slice(*_anchor(text, 0, len(text)))]) > _MOST_IN_ITSELF for text in texts)


def _halves(text: bytes) -> tuple[bytes, bytes]:
    """Pieces of which one is left when a line end cuts the text."""
    size = min(max(len(text) // 2, _LEAST_HALF), LONGEST)
    return text[:size], text[-size:]


def _raw(text: bytes, marks: Windows, breaks: frozenset[int], owner: object) -> Anchors:
    squeezed = squeeze(text, _USUAL)
    if squeezed == text:
        return _searched(text, marks.edges, Pass.BOTH, "raw", owner, breaks, marks.spare)
    exact = _exact(text, marks.edges, "raw", owner)
    if len(squeezed) < SHORTEST:
        return Anchors(exact, [], [])
    cut_marks = windows(squeezed)
    cut = _searched(squeezed, cut_marks.edges, Pass.SQUEEZED, "raw", owner, breaks, cut_marks.spare)
    return cut._replace(targets=exact + cut.targets)


def _encoded(form: encodings.Form, marks: Windows, owner: object) -> Anchors:
    inner = tuple(map(form.locate, marks.inner))
    squeezed = form.text if form.name in _WITHOUT_GAPS else squeeze(form.text, _USUAL)
    if squeezed == form.text:
        spare = map(form.locate, marks.spare)
        return _searched(form.text, inner, Pass.BOTH, form.name, owner, frozenset(), spare)
    exact = _exact(form.text, inner, form.name, owner)
    if len(squeezed) < SHORTEST:
        return Anchors(exact, [], [])
    cut = _searched(squeezed, (), Pass.SQUEEZED, form.name, owner, own_gaps(form.text))
    return cut._replace(targets=exact + cut.targets)


def _exact(text: bytes, spans: tuple[_Span, ...], name: str, owner: object) -> list[Target]:
    if not spans:
        return [_whole(text, Pass.EXACT, name, owner)]
    return [_part(text, span, Pass.EXACT, name, owner) for span in spans]


def _searched(
    text: bytes,
    spans: tuple[_Span, ...],
    within: Pass,
    name: str,
    owner: object,
    breaks: frozenset[int],
    spare: Iterable[_Span] = (),
) -> Anchors:
    """Anchors of a text without gaps, and how it is found although there are some in the data.

    One of the `spare` spans, with a feature, is added to those that have none.
    """
    if not spans:
        target = _whole(text, within, name, owner)
        tail = _tail(target)
        if tail:
            return Anchors([target], [], [], tails=[tail])
        pieces = _pieces(text, 2 + len(text) // CHARACTERS_PER_GAP, breaks) if len(text) <= _FARTHEST else []
        return Anchors([target], pieces, [] if pieces else [_lone(text, [(0, len(text))])], reach=len(text))
    parts = [_part(text, span, within, name, owner) for span in spans]
    tails = list(map(_tail, parts))
    if all(tails):
        return Anchors(parts, [], [], tails=tails)
    plain = [span for tail, span in zip(tails, spans, strict=True) if not tail]
    if len(plain) == len(parts):
        found = next((span for span in spare if FEATURE.search(text, *span)), None)
        parts += [_part(text, found, within, name, owner)] if found else []
        tails += map(_tail, parts[len(plain) :])
    pieces = [text[at : at + (end - start) // 2] for start, end in plain for at in (start, (start + end) // 2)]
    lone = [_lone(text, spans)] if len(plain) == len(parts) else []
    reach = max((LONGEST, *(end - start for start, end in plain)))
    return Anchors(parts, pieces, lone, reach, [tail for tail in tails if tail])


def _lone(text: bytes, spans: Sequence[_Span]) -> bytes:
    """Choose the characters that begin with the rarest one: it is what takes time in the search for them."""
    digits = DIGITS_IN_HEX.match(text, spans[0][0])
    if digits:
        return digits.group()
    places = (at for start, end in spans for at in range(start, max(start, end - LONE_SIZE) + 1))
    first = max(places, key=lambda at: _RARITY.get(text[at], len(_RARITY)))
    return text[first : first + LONE_SIZE]


def _tail(target: Target) -> bytes:
    """Give what an anchor holds up to the end of a feature, empty if it has none.

    The feature is the first with enough before it to make the tail a long one, if there is such a feature.
    """
    text, first, last = target.text, target.at, target.at + target.size
    found = FEATURE.search(text, first + TAIL // 2, last) or FEATURE.search(text, first, last)
    return text[max(first, found.end() - TAIL) : found.end()] if found else b""


def _part(text: bytes, span: _Span, within: Pass, name: str, owner: object) -> Target:
    start, end = _anchor(text, *span)
    return Target(text, start, end - start, False, within, name, owner, span[1] - span[0])


def _whole(text: bytes, within: Pass, name: str, owner: object) -> Target:
    start, end = _anchor(text, 0, len(text))
    return Target(text, start, end - start, True, within, name, owner)


def _anchor(text: bytes, start: int, end: int) -> _Span:
    """Cut a span to `LONGEST`: from its middle if a feature is there, else around the nearest."""
    if end - start <= LONGEST:
        return start, end
    middle = (start + end) // 2
    if FEATURE.search(text, middle - LONGEST // 2, middle + LONGEST // 2):
        return middle - LONGEST // 2, middle + LONGEST // 2
    features = [(found.start() + found.end()) // 2 for found in FEATURE.finditer(text, start, end)]
    centre = min(features, key=lambda place: abs(place - middle), default=middle)
    first = min(max(start, centre - LONGEST // 2), end - LONGEST)
    return first, first + LONGEST


def _pieces(text: bytes, number: int, breaks: frozenset[int]) -> list[bytes]:
    """Cut out `number` pieces that do not overlap, as long as can be; none if they would be too short."""
    runs = [piece for run in _PLAIN.finditer(text) for piece in _split(text, *run.span(), breaks)]
    for size in range(len(text) // number, _SHORTEST_PIECE - 1, -1):
        pieces = [run[at : at + size] for run in runs for at in range(0, len(run) - size + 1, size)]
        if len(pieces) >= number:
            return pieces[:number]
    return []


def _split(text: bytes, start: int, end: int, breaks: frozenset[int]) -> Iterator[bytes]:
    borders = [start, *(place for place in sorted(breaks) if start < place < end), end]
    for at, border in enumerate(borders[1:]):
        yield text[borders[at] : border]
