"""What a piece of data may hold besides plain text, told by one fast scan: slow ways are taken only then."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from redactors.patterns import Patterns

# Four characters of base64 whose three bytes are themselves characters of base64 (of either alphabet) or `=`.
_TWICE = rb"[K-e][C-HS-Xi-n0-3yz][ABEFIJMNQRUVYZcdghklopstwx014589][B-afh-z0-69]"
_TWICE_GROUPS = 5  # 20 characters hold 15 of the inner base64, 11 bytes; chance shows it once in 2.7 MB of base64
_TWICE_HIT = 2  # of which as many are looked for at first: more take long to compile
_TWICE_RUN = re.compile(rb"(?:" + _TWICE + rb")+")
_LONG_RUN = rb"[A-Za-z0-9]{28}"  # base64 of ASCII letters and digits holds no other character
_DUMP_LINE = rb"000[0-9a-fA-F]{3,13}:?[ \t]{1,4}[^ \t\r\n]"  # offsets below a megabyte begin with zeros
_WRITTEN_SEQUENCE = rb"\\(?:(?:u001[bB]|x1[bB]|033|e)\[|u0000|x00|u250[23])"
_DUMP, _WRITTEN = range(2)


class Hints(NamedTuple):
    """Whether lines of a hex dump, terminal sequences written as text, or long runs of base64 may be there."""

    dump: bool
    written: bool
    runs: bool


class Scout:
    """Gives hints about data; compiled at the first use (2 ms), may be called from any thread."""

    def __init__(self) -> None:
        self._written = Patterns([_DUMP_LINE, _WRITTEN_SEQUENCE], once=True)
        self._runs = Patterns([_LONG_RUN], once=True)  # compiled together they would take 5 ms
        self._twice = Patterns([_TWICE * _TWICE_HIT])

    def hints(self, data: bytes) -> Hints:
        """Look over `data`, at several GB/s."""
        seen = {number for number, _ in self._written.scan(data)}
        return Hints(_DUMP in seen, _WRITTEN in seen, bool(self._runs.scan(data)))

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
