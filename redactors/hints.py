"""What a piece of data may hold besides plain text, told by fast scans: slow ways are taken only there."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from redactors.patterns import Patterns, shared
from redactors.sites import BORDER

# Four characters of base64 whose three bytes are themselves characters of base64 (of either alphabet) or `=`.
_TWICE = rb"[K-e][C-HS-Xi-n0-3yz][ABEFIJMNQRUVYZcdghklopstwx014589][B-afh-z0-69]"
_TWICE_GROUPS = 5  # 20 characters hold 15 of the inner base64, 11 bytes; chance shows it once in 2.7 MB of base64
_TWICE_HIT = 3  # of which as many are looked for at first: two stand in most text, more take long to compile
_TWICE_RUN = re.compile(rb"(?:" + _TWICE + rb")+")
_RUN_SIZE = 28
_LONG_RUN = rb"[A-Za-z0-9]{%d}" % _RUN_SIZE  # base64 of ASCII letters and digits holds no other character
_REST_OF_RUN = re.compile(rb"[A-Za-z0-9]*")
_MOST_RUNS = 64
_DUMP_LINE = rb"000[0-9a-fA-F]{3,13}:?[ \t]{1,4}[^ \t\r\n]"  # offsets below a megabyte begin with zeros
_WRITTEN_SEQUENCE = rb"\\(?:(?:u001[bB]|x1[bB]|033|e)\[|u0000|x00|u250[23])"
# Bytes of ASCII text written as hex digits, each with something before or behind it.
_HEX_LIST = (
    rb"\\x[0-9a-fA-F]{2}\\+x[0-9a-fA-F]{2}",
    rb"\\u00[0-9a-fA-F]{2}\\+u00[0-9a-fA-F]{2}",
    rb"%[0-9a-fA-F]{2}%[0-9a-fA-F]{2}%",
    rb"0[xX][0-9a-fA-F]{2}[,;]?(?:[ \t\r\n]|\\[nrt]){0,16}0[xX]",
    *(rb"[2-7][0-9a-fA-F]%b[2-7][0-9a-fA-F]%b[2-7][0-9a-fA-F]%b[2-7]" % (by, by, by) for by in (b":", b" ")),
)
EXPRESSIONS = (_DUMP_LINE, _WRITTEN_SEQUENCE, *_HEX_LIST)
"""What `hints_of` is told the hits of, by their numbers."""


class Hints(NamedTuple):
    """Where lines of a hex dump, terminal sequences written as text, lists of hex bytes may be: ends, rising."""

    dump: Sequence[int]
    written: Sequence[int]
    hex_lists: Sequence[int]


_NONE = Hints((), (), ())


def hints_of(hits: Sequence[tuple[int, int]]) -> Hints:
    """Sort hits of EXPRESSIONS, which come as number and end, by what they hint at."""
    return Hints(*([end for number, end in hits if min(number, 2) == kind] for kind in range(3))) if hits else _NONE


def fixed_patterns() -> tuple[Patterns, Patterns, Patterns]:
    """Give the patterns that depend on no value, so that their compiled form can be kept."""
    return shared(*EXPRESSIONS), shared(_LONG_RUN, once=True), shared(_TWICE * _TWICE_HIT)


class Scout:
    """Gives hints about data; compiled at the first use (5 ms), may be called from any thread."""

    def __init__(self) -> None:
        self._hints, self._runs, self._twice = fixed_patterns()

    def hints(self, data: bytes) -> Hints:
        """Look over `data`, at several GB/s."""
        return hints_of(self._hints.scan(data))

    def runs(self, data: bytes) -> list[tuple[int, int]] | None:
        """Spans of long runs of letters and digits, which base64 of base64 looks like; None if they are many."""
        found: list[tuple[int, int]] = []
        at = 0
        view = memoryview(data)  # of which a part is no copy
        while hit := self._runs.scan(view[at:]):
            if len(found) == _MOST_RUNS:
                return None
            start = at + hit[0][1] - _RUN_SIZE
            rest = _REST_OF_RUN.match(data, start)
            at = rest.end() if rest else start
            found.append((start, at))
        return found

    def runs_near(self, data: bytes, parts: Sequence[tuple[int, int]]) -> list[tuple[int, int]] | None:
        """Give those of `parts` of the data that hold a long run, rising; None if they are many."""
        texts = [data[start:end] for start, end in parts]
        runs = self.runs(BORDER.join(texts))
        if not runs:
            return runs
        ends = list(accumulate(len(text) + len(BORDER) for text in texts))
        return sorted({parts[bisect_right(ends, start)] for start, _ in runs})

    def twice_encoded(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Spans of `data`, of a length divisible by 4, that look like base64 of base64."""
        done = [0, 0, 0, 0]
        for _, end in self._twice.scan(data):
            start = end - 4 * _TWICE_HIT
            run = _TWICE_RUN.match(data, start) if start >= done[start % 4] else None
            if run:
                done[start % 4] = run.end()
                if run.end() - start >= 4 * _TWICE_GROUPS:
                    yield run.span()
