r"""A copy of data without what may stand between two characters of a value, and the way back to the original offsets.

Deleted are terminal escape sequences (also when they are written as JSON or source escapes), `\n`, `\r` and `\t`
written as escapes, and every blank, line end, NUL (UTF-16), backslash and vertical box line (a table drawn around
wrapped text). The copy is only searched, never shown, so it may be wrong in harmless ways (`C:\new` loses its `n`);
values are squeezed the same way before they are compared.

Cost: one pass of `bytes.translate` plus one search for each kind of gap that is absent. The way back is worked out
only when something was found.
"""

import re
from bisect import bisect_right
from functools import cached_property
from itertools import accumulate, islice, pairwise
from typing import NamedTuple

# ECMA-48 and xterm: CSI, OSC with its end within reach, and the two- and three-byte ones that exist.
ESCAPE_SEQUENCE = re.compile(
    rb"\x1b(?:\[[0-?]{0,64}[ -/]{0,4}[@-~]|\][^\x07\x1b]{0,512}(?:\x07|\x1b\\)|[ -/]{1,2}[0-~]|[78=>DEHMNOVWXZc\\^_])"
)
UNFINISHED_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]{0,64}[ -/]{0,4}|\][^\x07\x1b]{0,512}\x1b?|[ -/]{0,2})\Z")
# The same, NUL, and vertical box lines as JSON or a source text writes them, with the backslashes of eight depths: of a
# run of more, each would look at all others. A backslash that was left would join up to an escape with what follows.
_WRITTEN_SEQUENCE = re.compile(
    rb"\\\\{0,254}+(?:(?:u001[bB]|x1[bB]|033|e)\[[0-?]{0,64}[ -/]{0,4}[@-~]|u0000|x00|u250[23])"
)
_WRITTEN_BREAK = re.compile(rb"\\[nrt]")
_AS_BLANKS = b"  "  # as long, so no place moves; and nothing else joins up to an escape
BLANKS = b" \t\r\n\v\f\0\\\xe2\x94\x82\x83"
_NOT_BLANK = re.compile(b"[^" + re.escape(BLANKS) + b"]")
# A dump line's end, the text column before it and the offset column after it; `xxd`, `hexdump -C`, `od`.
_DUMP_BREAK = re.compile(rb"(?:(?<! )  (?! )[^\n]{1,18}?)?(?:\r?\n|\\+n)[0-9a-fA-F]{6,16}:?(?=[ \t])")
_BLOCK = 256
_NEAR_THE_END = 64


class Gaps(NamedTuple):
    """Which kinds of gap to take out besides terminal sequences and blanks."""

    breaks: bool = True
    """Line ends and tabs written as escapes."""
    written: bool = False
    """Terminal sequences written as escapes."""
    dump: bool = False
    """The columns of a hex dump."""


def squeeze(data: bytes, kinds: Gaps) -> bytes:
    """Give `data` without its gaps."""
    return _last_copy(data, kinds, _gaps(data, kinds)).translate(None, BLANKS)


def own_gaps(text: bytes) -> frozenset[int]:
    """Give the places in the squeezed copy of `text` where a gap of its own stands."""
    copy = Squeezed(text, Gaps())
    places = copy.places(0, len(copy.text))
    return frozenset(at for at, (before, after) in enumerate(pairwise(places), 1) if after - before > 1)


class Squeezed:
    """Data without its gaps (`text`), and the way back (`places`)."""

    def __init__(self, data: bytes, kinds: Gaps) -> None:
        self.data = data
        self.kinds = kinds
        self._gaps = _gaps(data, kinds)
        self._last = _last_copy(data, kinds, self._gaps)
        self.text = self._last.translate(None, BLANKS)

    def places(self, start: int, end: int) -> list[int]:
        """Offsets in the data of the bytes `text[start:end]`, rising."""
        places = self._in_last(start, end - start)
        for gap in reversed(self._gaps):
            places = [gap.before(place) for place in places]
        return places

    @cached_property
    def _kept(self) -> list[int]:
        """How many bytes of `text` come from before each block of the last copy."""
        blocks = range(0, len(self._last), _BLOCK)
        return [0, *accumulate(len(self._last[at : at + _BLOCK].translate(None, BLANKS)) for at in blocks)]

    def _in_last(self, start: int, size: int) -> list[int]:
        if len(self.text) == len(self._last):
            return list(range(start, start + size))
        if len(self.text) - start < _NEAR_THE_END:
            return self._from_the_end(len(self.text) - start)[:size]
        block = bisect_right(self._kept, start) - 1
        before = start - self._kept[block]
        kept = (match.start() for match in _NOT_BLANK.finditer(self._last, block * _BLOCK))
        return list(islice(kept, before, before + size))

    def _from_the_end(self, size: int) -> list[int]:
        """Walk back over the last copy for the last `size` bytes of `text`: a stream asks for these all the time."""
        places: list[int] = []
        place = len(self._last)
        while len(places) < size:
            place -= 1
            if self._last[place] not in BLANKS:
                places.append(place)
        return places[::-1]


class Copies:
    """Copies of `data` without gaps, made when they are asked for; the last one of all of it is kept."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._last: Squeezed | None = None

    def of(self, start: int, end: int, kinds: Gaps) -> Squeezed:
        """Give the copy of `data[start:end]` without gaps of these kinds; the ends lie within the data."""
        if end - start < len(self.data):
            return Squeezed(self.data[start:end], kinds)
        last = self._last
        if last is None or last.kinds != kinds:
            self._last = None  # two copies would be twice the memory
            last = self._last = Squeezed(self.data, kinds)
        return last


class _Gap:
    """One kind of gap, `pattern`, taken out of `source`; `text` is the rest."""

    def __init__(self, source: bytes, pattern: re.Pattern[bytes], text: bytes) -> None:
        self._source, self._pattern, self.text = source, pattern, text

    def before(self, place: int) -> int:
        """Offset in the source of the byte that stands at `place` in the rest."""
        places, removed = self._removed
        return place + removed[bisect_right(places, place)]

    @cached_property
    def _removed(self) -> tuple[list[int], list[int]]:
        """Where in the rest each gap was, and how many bytes were taken out up to and with it (led by a 0)."""
        spans = [match.span() for match in self._pattern.finditer(self._source)]
        removed = [0, *accumulate(end - start for start, end in spans)]
        return [start - gone for (start, _), gone in zip(spans, removed, strict=False)], removed


def _gaps(data: bytes, kinds: Gaps) -> list[_Gap]:
    """Take the gaps out one kind after the other; only kinds that are there."""
    gaps: list[_Gap] = []

    def take(source: bytes, pattern: re.Pattern[bytes], text: bytes) -> bytes:
        gaps.append(_Gap(source, pattern, text))
        return text

    if kinds.dump:
        data = take(data, _DUMP_BREAK, _DUMP_BREAK.sub(b"", data))
    if b"\x1b" in data:
        data = take(data, ESCAPE_SEQUENCE, ESCAPE_SEQUENCE.sub(b"", data))
    if kinds.written:
        data = take(data, _WRITTEN_SEQUENCE, _WRITTEN_SEQUENCE.sub(b"", data))
    return gaps


def _last_copy(data: bytes, kinds: Gaps, gaps: list[_Gap]) -> bytes:
    """Give the rest after the last gap, with written line ends and tabs blanked."""
    last = gaps[-1].text if gaps else data
    if kinds.breaks and b"\\" in last:
        return _WRITTEN_BREAK.sub(_AS_BLANKS, last)
    return last
