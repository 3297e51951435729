"""Where a JSON document is cut into pieces: at structure only, and as what stands near says.

Small members are taken together, a large one stands alone; so pieces behind an edit are the same again.
"""

import re

from redactors.nesting import ENDS

# A comma that `"x` or `{"x` follows. No string holds these bytes: the mark before `x` has no backslash before it, so it
# opens a string or closes one; what closes is followed by a blank, `,`, `:`, `]`, `}` or the end (RFC 8259), never by a
# letter. So it opens one, and the comma is structure, as are the brackets right before it.
# Possessive: what follows blanks or a bracket is neither, and text is full of commas before blanks.
BORDER = re.compile(rb',[ \t\r\n]{0,64}+(?:\{[ \t\r\n]{0,64}+)?+"[A-Za-z]')
"""What stands behind a cut, but for brackets and blanks before it."""
_BEFORE_COMMA = frozenset(b"]} \t\r\n")
_SMALL = 2_048  # members are taken together until they have so many bytes
_LARGE = 4_096  # one of so many stands alone


class Cuts:
    """Where pieces of `data` end; nothing is looked at twice by who asks for one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._large = -1, -1  # a member that stands alone: its end was found with that of the piece before it

    def end(self, at: int) -> int:
        """Give where the piece that begins at `at` ends; only that and the data say where."""
        if at == self._large[0]:
            return self._large[1]
        data, before = self._data, at
        for border in BORDER.finditer(data, at + 1):
            end = border.start()
            while end > before and data[end - 1] in _BEFORE_COMMA:
                end -= 1
            if end <= before or data[end - 1] not in ENDS:
                continue
            if end - at >= _SMALL:
                return self._before_large(at, before, end)
            before = end
        return self._before_large(at, before, len(data))

    def _before_large(self, at: int, before: int, end: int) -> int:
        """Give `end`, unless what stands between is large and more stands before it."""
        if before == at or end - before < _LARGE:
            return end
        self._large = before, end
        return before
