r"""Where in data a cut value may stand, told without making the copy without gaps, which costs four times a scan.

A gap may stand between any two characters of a value, but a few triples of characters (FEATURE: a digit and a capital,
one of the rarer capitals between consonants, a `q` or `z` before a digit or a capital, ...) are rare in text even
when gaps in them do not count: about one in 6 KB. More than nine of ten random stretches of 16 characters have one. So:
- an anchor with a FEATURE is only looked for near places that match it with gaps, and before whose end the same
  characters stand as in an anchor (TAIL of them: by chance one place in a hundred is left);
- one without is looked for near its pieces: any cut that counts leaves one of them whole;
- where neither is to be had, four of its characters are searched for, with gaps; of a few, for each costs a little.
Terminal sequences, as they are or written as escapes, and dump lines are places of their own.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from redactors.patterns import Patterns, shared
from redactors.squeeze import BLANKS, Gaps, squeeze

_DIGIT, _CAPITAL, _ANY, _HEX = b"[2-9]", b"[A-Z]", b"[0-9A-Za-z]", b"[0-9a-f]"
_SMALL = b"[a-wyz]"  # no `x`, for `0x1F`
_CONSONANT = b"[b-df-hj-np-tv-wz]"
_RARE_CAPITAL, _RARE_SMALL = b"[GJKQV-Z]", b"[qz]"  # each more (B, F, H, `j`): up to a tenth more stops
# To be changed with `bench/known.py` at hand: for some sets Hyperscan takes an automaton that is a third slower.
_SHAPES = (
    (_DIGIT, _CAPITAL, _ANY), (_DIGIT, _SMALL, _CAPITAL),
    (_DIGIT, b"[a-f]", b"[0-9]", _HEX), (_DIGIT, b"[a-f]", b"[a-f]", b"[0-9]"),
    (_RARE_CAPITAL, b"[0-9]", b"[A-Za-wyz]"), (_RARE_CAPITAL, b"[a-z]", b"[0-9A-Z]"),
    (_RARE_CAPITAL, _CAPITAL, b"[0-9]", b"[A-Za-wyz]"), (_RARE_CAPITAL, _CAPITAL, _SMALL, b"[0-9A-Z]"),
    (_RARE_CAPITAL, _CONSONANT, b"[b-df-hj-np-tv-wz0-9]"),
    (_RARE_SMALL, b"[0-9A-Z]", _ANY), (_RARE_SMALL, b"[bdghjkmnpqvwx]", b"[b-df-hj-np-tv-z0-9A-Z]"),
)  # fmt: skip
FEATURE = re.compile(  # by their first characters: `re` tries one alternative after the other
    b"|".join(
        first + b"(?:" + b"|".join(b"".join(shape[1:]) for shape in shapes) + b")"
        for first, shapes in groupby(_SHAPES, key=itemgetter(0))
    )
)
"""All shapes begin with characters that are rare in text: it is at these that the search takes time."""
MOST_LONE = 96  # they take a fifth of the time of the copy without gaps, but 0.3 ms each to compile
LONE_SIZE = 4
_ENOUGH_DIGITS = 8  # of those that begin a key in hex, if they are those of one key
_MOST_GROUPS = 4  # of lone patterns: each is one more pass over all that is searched
_SHORTEST_FEATURE = min(map(len, _SHAPES))
TAIL = 6
"""Characters up to the end of a feature by which anchors are told from each other."""
_BEFORE_END = 48  # bytes of a tail, or of a written sequence, with gaps and what stands before it
_BACKSLASH, _LETTERS = b"\\", b"nrt"  # of the escapes that `squeeze` takes for gaps
_BLANK = b"".join(b"\\x%02x" % byte for byte in BLANKS.replace(_BACKSLASH, b""))  # a pattern ends at a NUL
_WIDE_GAP = rb"[\\" + _BLANK + _LETTERS + b"]*"  # more than gaps; compiles three times as fast
_MOST = 32  # places, and one for each so many bytes; with more, one copy of everything is cheaper
_BYTES_PER_PLACE = 300
_LONGEST_WRITTEN = 80
_WIDE_ROOM = 65_536  # bytes that parts may have together, besides twice the data
_USUAL = Gaps()
_GAPS_MAYBE = BLANKS + _LETTERS  # which may be the rest of an escape
_CUT_ESCAPE = 8  # characters that are left of an escape cut in two, and some
BORDER = b"\x01"  # between parts of the data that are searched together
_NO_GAP_ENDS = frozenset(b"\"'=:,.()<>#!/+-*%&;?$")  # of gaps that are blanks or written as escapes
LONGEST_SEQUENCE = 600
"""Bytes of a terminal sequence that a border may cut, and some."""


class Sites(NamedTuple):
    """Places in the data, rising. `features`: the ends of features; `others`: what else may be beside a cut value.

    `sequences`: whether the data may hold terminal sequences (to look for them in all of it each time would be felt).
    """

    features: list[int]
    others: list[int]
    sequences: bool


Part = tuple[int, int, bytes]
"""A part of the data: its start, its end, and what it holds besides gaps."""


def _with_gaps(first: bytes, *others: bytes) -> bytes:
    return first + b"".join(map(_behind_a_gap, others))


def _behind_a_gap(shape: bytes) -> bytes:
    r"""Give a class of letters and digits with the gaps before it, as `squeeze` takes them out.

    Directly behind a backslash a letter of an escape is never one of the class: text in JSON is full of `\n`.
    """
    gaps = rb"(?:[%b]|\\+[%b])*" % (_BLANK, _BLANK + _LETTERS)
    others = b"".join(re.findall(shape, bytes(range(256)))).translate(None, _LETTERS)
    return gaps + rb"(?:%b|\\+[%b])" % (shape, others)


_FEATURE_WITH_GAPS = b"|".join(_with_gaps(*shape) for shape in _SHAPES)
_DIGITS_WITH_GAPS = _with_gaps(*(b"[2-7]", b"[0-9]") * 8)
DIGITS_IN_HEX = re.compile(rb"(?:[2-7][0-9]){8}")
"""The beginning of a key that was written in hex and shows no letter: a key of digits, or of hex digits."""


def fixed_patterns() -> tuple[Patterns, ...]:
    """Give the patterns that depend on no value, so that their compiled form can be kept."""
    return shared(_FEATURE_WITH_GAPS), shared(_FEATURE_WITH_GAPS, _DIGITS_WITH_GAPS)


def lone_expressions(text: bytes) -> list[bytes]:
    """Give what finds a lone text, each with two bytes that stand together: in a search for many literals that is free.

    A gap begins with a byte of BLANKS, of which each has an expression of its own.
    """
    first, second, *others = (b"\\x%02x" % byte for byte in text[:_ENOUGH_DIGITS])
    rest = _WIDE_GAP.join((second, *others))
    return [first + rest, *(first + b"\\x%02x" % byte + _WIDE_GAP + rest for byte in BLANKS)]


class Places:
    """Finds where cut values may stand; compiled at the first use (3 ms), may be called from any thread.

    `lone`: LONE_SIZE characters of each form without a feature, but those that a segment looks for itself. Longer ones
    are DIGITS_IN_HEX, for which there is one pattern. `is_enough`: there are so few others that they are all searched
    for. `before`: the lone patterns of other places, of which those are taken over that are wanted: they are compiled.
    """

    def __init__(self, lone: Iterable[bytes] = (), before: tuple[Patterns, ...] = ()) -> None:
        lone = frozenset(lone)
        others = sorted(text for text in lone if len(text) <= LONE_SIZE)
        has_digits = len(others) < len(lone)
        self._features = fixed_patterns()[has_digits]
        self.is_enough = len(others) <= MOST_LONE
        patterns = [_WIDE_GAP.join(b"\\x%02x" % byte for byte in text) for text in others]
        self.lone = _grown(before, frozenset(patterns))

    def find(self, data: bytes) -> Sites | None:
        """Give the features, and as others the ends of lone ones and of terminal sequences; None if too many."""
        most = _MOST + len(data) // _BYTES_PER_PLACE
        found = self._features.scan_some(data, most)
        if not found.complete:
            return None
        sequences = b"\x1b" in data
        features = [end for number, end in found.hits if not number]
        others = [end for number, end in found.hits if number] if len(features) < len(found.hits) else []
        for patterns in self.lone:
            found = patterns.scan_some(data, most)
            if not found.complete:
                return None
            others += [end for _, end in found.hits]
        if sequences:  # to ask is many times faster than to count them
            if data.count(b"\x1b") > most:
                return None
            others += [sequence.end() for sequence in re.finditer(b"\x1b", data)]
        return Sites(features, others, sequences)


def _grown(before: tuple[Patterns, ...], wanted: frozenset[bytes]) -> tuple[Patterns, ...]:
    """Give groups of patterns that together are those wanted: what is compiled is kept, until the groups are many."""
    kept = [patterns for patterns in before if wanted.issuperset(patterns.expressions)]
    new = wanted.difference(*(patterns.expressions for patterns in kept))
    if not new:
        return tuple(kept)
    return (Patterns(sorted(wanted)),) if len(kept) == _MOST_GROUPS else (*kept, Patterns(sorted(new)))


class Tails:
    """What anchors hold up to the end of a feature: TAIL characters or, if they begin later, fewer."""

    def __init__(self, tails: Iterable[bytes]) -> None:
        self.texts = frozenset(tails)

    @cached_property
    def _by_last(self) -> dict[bytes, tuple[bytes, ...]]:
        by_last: dict[bytes, tuple[bytes, ...]] = {}
        for text in self.texts:
            last = text[-_SHORTEST_FEATURE:]
            by_last[last] = (*by_last.get(last, ()), text)
        return by_last

    def ending(self, found: Iterable[tuple[int, bytes]]) -> list[int]:
        """Leave those places at which a tail may end, each with what stands before it besides gaps.

        Of that text one of the first characters may be a letter of an escape.
        """
        by_last, few = self._by_last, _SHORTEST_FEATURE
        # Most are passed over by their last characters alone.
        maybe = [(place, text) for place, text in found if text[-few:] in by_last or len(text) <= few]
        return [place for place, text in maybe if len(text) <= TAIL or text.endswith(by_last[text[-few:]])]


def with_features(data: bytes, sites: Sites, tails: Sequence[Tails]) -> list[int]:
    """Leave out the ends of features at which none of `tails` stands when gaps do not count.

    What a border may have cut off from what stands before a place is one letter of an escape. Places of which too
    little can be seen stay, as all do among terminal sequences, of which a border may leave more.
    """
    if sites.sequences or not sites.features:
        return sites.features
    # Of what stands nearer to the start of the data less is looked at: a start below 0 counts from the end.
    before = _squeezed([data[place - _BEFORE_END : place] for place in sites.features], _USUAL)
    found = list(zip(sites.features, before, strict=True))
    return sorted({place for some in tails for place in some.ending(found)})


def within_anchors(data: bytes, written: Iterable[int], characters: frozenset[int]) -> list[int]:
    """Leave the ends of written sequences that may stand within an anchor, of which all bytes are in `characters`.

    Most stand first in a string: a quotation mark before all gaps there is the end of no gap, and of few values.
    For data without terminal sequences, which end with anything.
    """
    others = _NO_GAP_ENDS - characters
    kept = []
    for place in written:
        text = data[max(0, place - _BEFORE_END) : place]
        before = text[: text.rfind(_BACKSLASH)].rstrip(BLANKS)
        if not before or before[-1] not in others:
            kept.append(place)
    return kept


def are_few(places: int, data: bytes) -> bool:
    """Whether it is cheaper to look around so many places than everywhere."""
    return places < _MOST + len(data) // _BYTES_PER_PLACE


def around(data: bytes, places: Iterable[int], reach: int, kinds: Gaps, *, sequences: bool) -> list[Part] | None:
    """Give the parts of the data that hold `reach` characters besides gaps on either side of each place, which rise.

    `sequences`: whether the data may hold terminal sequences. None if the parts would be much larger together than the
    data, as where almost all of it is gaps.
    """
    least = reach + _CUT_ESCAPE
    near = 4 * reach + _LONGEST_WRITTEN if kinds.written else 6 * reach
    firsts, lasts = _close_together(places, 2 * near)
    if not firsts:
        return []
    if kinds.dump or sequences:
        return _wider_parts(data, zip(firsts, lasts, strict=True), reach, kinds)
    starts, ends = [max(0, first - near) for first in firsts], [last + near for last in lasts]
    texts = _squeezed([data[start:end] for start, end in zip(starts, ends, strict=True)], kinds)
    parts: list[Part] = []
    sparse: list[tuple[int, int]] = []
    for first, last, start, end, text in zip(firsts, lasts, starts, ends, texts, strict=True):
        # Of the first kind is what has enough although all that is missing may be missing on one side.
        if len(text) - (last - first) >= near + least or not (
            kinds.written
            or len(data[start:first].translate(None, _GAPS_MAYBE)) < least
            or len(data[last:end].translate(None, _GAPS_MAYBE)) < least
        ):
            parts.append((start, end, text))
        else:
            sparse.append((first, last))
    wider = _wider_parts(data, sparse, reach, kinds)
    return None if wider is None else parts + wider


def _squeezed(parts: list[bytes], kinds: Gaps) -> list[bytes]:
    """Take the gaps out of all parts at once, or one by one if one holds the border."""
    texts = squeeze(BORDER.join(parts), kinds).split(BORDER)
    return texts if len(texts) == len(parts) else [squeeze(part, kinds) for part in parts]


def widened(spans: Iterable[tuple[int, int]], margin: int, size: int) -> list[tuple[int, int]]:
    """Add `margin` bytes on either side of each span, which rise, of data of this size; what overlaps is one."""
    wide: list[tuple[int, int]] = []
    for start, end in spans:
        first = max(0, start - margin)
        if wide and first <= wide[-1][1]:
            first = wide.pop()[0]
        wide.append((first, min(size, end + margin)))
    return wide


def grouped(places: Iterable[int], margin: int, size: int) -> list[tuple[int, int]]:
    """Give `margin` bytes on either side of each place, of data of this size; what overlaps is one."""
    ends = zip(*_close_together(places, 2 * margin), strict=True)
    return [(first - margin if first > margin else 0, min(size, last + margin)) for first, last in ends]


def _close_together(places: Iterable[int], apart: int) -> tuple[list[int], list[int]]:
    """First and last of each group of places, which rise, of which neighbours are at most `apart`."""
    firsts: list[int] = []
    lasts: list[int] = []
    last = -1 - apart
    for place in places:
        if place - last > apart:
            firsts.append(place)
            lasts.append(last)
        last = place
    return firsts, [*lasts[1:], last] if firsts else []


def reaching(data: bytes, first: int, last: int, reach: int, kinds: Gaps) -> tuple[int, int]:
    """Give a part of the data with `reach` characters besides gaps before `first` and behind `last`, if there are."""
    start, end = max(0, first - 2 * reach), last + 2 * reach
    while start > 0 and len(squeeze(data[start:first], kinds)) < reach:
        start = max(0, 2 * start - first)
    while end < len(data) and len(squeeze(data[last:end], kinds)) < reach:
        end = 2 * end - last
    return start, end


def _wider_parts(data: bytes, groups: Iterable[tuple[int, int]], reach: int, kinds: Gaps) -> list[Part] | None:
    """Give a part for each group of places; None if they become too large: then one copy of everything is cheaper."""
    parts: list[Part] = []
    room = _WIDE_ROOM + 2 * len(data)
    for first, last in groups:
        parts.append(_wider_part(data, first, last, reach, kinds))
        room -= parts[-1][1] - parts[-1][0]
        if room < 0:
            return None
    return parts


def _wider_part(data: bytes, first: int, last: int, reach: int, kinds: Gaps) -> Part:
    start, end = reaching(data, first, last, reach, kinds)
    margin = LONGEST_SEQUENCE if b"\x1b" in data[start:end] else _LONGEST_WRITTEN if kinds.written else 0
    start, end = max(0, start - margin), end + margin  # a border may have cut a sequence
    return start, end, squeeze(data[start:end], kinds)
