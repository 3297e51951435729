"""Percent-encoded text (RFC 3986, 2.1), undone once, and where in it each byte stood; pure."""

import re
from bisect import bisect_left
from typing import Final

_ESCAPED: Final = re.compile(rb"%[0-9A-Fa-f]{2}")
_CUT: Final = re.compile(rb"%[0-9A-Fa-f]?\Z")


class Decoded:
    """`text` is `raw` without its escapes; what only looks like one stays."""

    def __init__(self, raw: bytes) -> None:
        self.text = raw
        self._escapes: tuple[int, ...] = ()
        if b"%" in raw:
            self._escapes = tuple(one.start() - 2 * at for at, one in enumerate(_ESCAPED.finditer(raw)))
            self.text = _ESCAPED.sub(_byte, raw)

    @property
    def differs(self) -> bool:
        """Whether there was anything to undo."""
        return bool(self._escapes)

    def raw(self, at: int) -> int:
        """Give where in `raw` the byte `at` of the text begins; for its length, where all ends."""
        return at + 2 * bisect_left(self._escapes, at)


def cut_escape(raw: bytes) -> int:
    """Give where an escape begins at the end that is not whole; the length where there is none."""
    cut = _CUT.search(raw, max(0, len(raw) - 2))
    return cut.start() if cut else len(raw)


def _byte(escape: re.Match[bytes]) -> bytes:
    return bytes((int(escape[0][1:], 16),))
