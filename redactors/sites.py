r"""Where in data a cut value may stand, told without making the copy without gaps, which costs four times a scan.

A gap may stand between any two characters of a value, but a few triples of characters (FEATURE: a digit, a capital
and a small letter, two of them beside each other; a digit between capitals, a capital or a small letter between
digits, ...) are rare in text even when gaps in them do not count: about one in 3 KB. Nine of ten random stretches of
16 characters have one. So:
- an anchor with a FEATURE is only looked for near places that match it with gaps;
- one without is looked for near its pieces: any cut that counts leaves one of them whole;
- where neither is to be had, six of its characters are searched for, with gaps; of a few, for each costs a little.
Terminal sequences, as they are or written as escapes, and dump lines are places of their own.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from redactors.patterns import Patterns, Scan, shared
from redactors.squeeze import BLANKS, Gaps, squeeze

_DIGIT, _CAPITAL, _HEX = b"[0-9]", b"[A-Z]", b"[0-9a-f]"
_SMALL = b"[a-wyz]"  # no `x`, for `0x1F`
_INNER = b"[b-np-wz]"  # neither `NaN`, `QoS` nor `MyClass`
_CONSONANT = b"[b-df-hj-np-tv-wz]"  # no `NoneType`
_SHAPES = (
    (_DIGIT, _CAPITAL, _SMALL), (_DIGIT, _SMALL, _CAPITAL), (_CAPITAL, _SMALL, _DIGIT), (_CAPITAL, _DIGIT, _SMALL),
    (_DIGIT, _CAPITAL, _DIGIT), (_CAPITAL, _DIGIT, _CAPITAL), (_DIGIT, _CAPITAL, _CAPITAL),
    (_CAPITAL, _INNER, _CAPITAL), (_CAPITAL, _CONSONANT, _CONSONANT, _CAPITAL), (_DIGIT, b"[a-f]", _DIGIT, _HEX),
)  # fmt: skip
FEATURE = re.compile(b"|".join(b"".join(shape) for shape in _SHAPES))
"""No shape begins with a small letter: to look at all of these would cost three times as much."""
MOST_LONE = 6
LONE_SIZE = 4
_STEP = 64
_GAP_BYTE = b"[" + b"".join(b"\\x%02x" % byte for byte in BLANKS) + b"]"  # a pattern ends at a NUL
_GAP = b"(?:" + _GAP_BYTE + rb"|\\[nrt])*"
_MOST = 32  # places, and one for each so many bytes; with more, one copy of everything is cheaper
_BYTES_PER_PLACE = 300
_LONGEST_WRITTEN = 80
_NOTHING = Scan([], complete=True)
BORDER = b"\x01"  # between parts of the data that are searched together
LONGEST_SEQUENCE = 600
"""Bytes of a terminal sequence that a border may cut, and some."""


class Sites(NamedTuple):
    """Places in the data, rising. `features`: the ends of features; `others`: what else may be beside a cut value."""

    features: list[int]
    others: list[int]


class Part(NamedTuple):
    """A part of the data, and what it holds besides gaps."""

    start: int
    end: int
    text: bytes


def _with_gaps(*shapes: bytes) -> bytes:
    return _GAP.join(shapes)


_FEATURE_WITH_GAPS = b"|".join(_with_gaps(*shape) for shape in _SHAPES)
_DIGITS_WITH_GAPS = _with_gaps(*(b"[2-7]", b"[0-9]") * 8)
DIGITS_IN_HEX = re.compile(rb"(?:[2-7][0-9]){8}")
"""The beginning of a key that was written in hex and shows no letter: a key of digits, or of hex digits."""


def fixed_patterns() -> tuple[Patterns, ...]:
    """Give the patterns that depend on no value, so that their compiled form can be kept."""
    return shared(_FEATURE_WITH_GAPS), shared(_FEATURE_WITH_GAPS, _DIGITS_WITH_GAPS)


class Places:
    """Finds where cut values may stand; compiled at the first use (3 ms), may be called from any thread.

    `lone`: LONE_SIZE characters of each form without a feature. Longer ones are DIGITS_IN_HEX, for which there is one
    pattern. `is_enough`: there are so few others that they are all searched for. `before`: the patterns of other
    places, which are taken over if they are the same: they are compiled.
    """

    def __init__(self, lone: Iterable[bytes] = (), before: Patterns | None = None) -> None:
        lone = frozenset(lone)
        others = sorted(text for text in lone if len(text) <= LONE_SIZE)
        has_digits = len(others) < len(lone)
        self._features = fixed_patterns()[has_digits]
        self.is_enough = len(others) <= MOST_LONE
        patterns = [_with_gaps(*(b"\\x%02x" % byte for byte in text)) for text in others]
        self.lone = before if before and before.expressions == patterns else Patterns(patterns)

    def find(self, data: bytes) -> Sites | None:
        """Give the features, and as others the ends of lone ones and of terminal sequences; None if too many."""
        most = _MOST + len(data) // _BYTES_PER_PLACE
        features = self._features.scan_some(data, most)
        lone = self.lone.scan_some(data, most) if self.lone.expressions else _NOTHING
        has_sequences = b"\x1b" in data  # many times faster than to count them
        if not features.complete or not lone.complete or (has_sequences and data.count(b"\x1b") > most):
            return None
        others = [end for _, end in lone.hits]
        others += [end for number, end in features.hits if number]
        if has_sequences:
            others += [found.end() for found in re.finditer(b"\x1b", data)]
        return Sites([end for number, end in features.hits if not number], others)


def are_few(places: int, data: bytes) -> bool:
    """Whether it is cheaper to look around so many places than everywhere."""
    return places < _MOST + len(data) // _BYTES_PER_PLACE


def around(data: bytes, places: Iterable[int], reach: int, kinds: Gaps) -> list[Part]:
    """Give the parts of the data that hold `reach` characters besides gaps on either side of each place, which rise."""
    near = 2 * reach + (_LONGEST_WRITTEN + 2 * reach if kinds.written else 16)  # of which half may be gaps
    groups = list(_close_together(places, 2 * near))
    if kinds.dump or b"\x1b" in data:
        return [_wider_part(data, group, reach, kinds) for group in groups]
    spans = [(max(0, first - near), min(len(data), last + near)) for first, last in groups]
    parts: list[Part] = []
    for (first, last), (start, end), text in zip(groups, spans, _squeezed(data, spans, kinds), strict=True):
        if len(text) >= (last - first) + near + reach or (
            not kinds.written and _is_enough(data[start:first], reach) and _is_enough(data[last:end], reach)
        ):
            parts.append(Part(start, end, text))
        else:
            parts.append(_wider_part(data, (first, last), reach, kinds))
    return parts


def _squeezed(data: bytes, spans: list[tuple[int, int]], kinds: Gaps) -> list[bytes]:
    """Take the gaps out of all spans at once, or one by one if the data holds the border."""
    parts = [data[start:end] for start, end in spans]
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
    return widened(((place, place) for place in places), margin, size)


def _close_together(places: Iterable[int], apart: int) -> Iterator[tuple[int, int]]:
    """First and last of each group of places of which neighbours are at most `apart`."""
    first = last = -1
    for place in places:
        if first < 0:
            first = place
        elif place - last > apart:
            yield first, last
            first = place
        last = place
    if first >= 0:
        yield first, last


def _is_enough(side: bytes, reach: int) -> bool:
    r"""Whether `reach` bytes are no gap for certain; of an escaped `\n` the letter is one too."""
    return len(side.translate(None, BLANKS)) - side.count(b"\\") >= reach


def _wider_part(data: bytes, group: tuple[int, int], reach: int, kinds: Gaps) -> Part:
    first, last = start, end = group
    while start > 0 and _size(data[start:first], kinds) < reach:
        start = max(0, start - max(_STEP, first - start))
    while end < len(data) and _size(data[last:end], kinds) < reach:
        end += max(_STEP, end - last)
    margin = LONGEST_SEQUENCE if b"\x1b" in data[start:end] else _LONGEST_WRITTEN if kinds.written else 0
    start, end = max(0, start - margin), end + margin  # a border may have cut a sequence
    return Part(start, end, squeeze(data[start:end], kinds))


def _size(part: bytes, kinds: Gaps) -> int:
    return len(squeeze(part, kinds))
