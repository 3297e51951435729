"""Where a JSON document is cut into pieces: at structure only, and as what stands near says.

Small members are taken together, a large one stands alone; so pieces behind an edit are the same again.
"""

import re

from redactors.nesting import ENDS

# A comma that `"x` or `{"x` follows. No string holds these bytes: the mark before `x` has no backslash before it, so it
# opens a string or closes one; what closes is followed by a blank, `,`, `:`, `]`, `}` or the end (RFC 8259), never by a
# letter. So it opens one, and the comma is structure, as are the brackets right before it.
BORDER = re.compile(rb',(?=[ \t\r\n{"])[ \t\r\n]{0,64}(?:\{[ \t\r\n]{0,64})?"[A-Za-z]')
"""What stands behind a cut, but for brackets and blanks before it."""
_BEFORE_COMMA = frozenset(b"]} \t\r\n")
_SMALL = 2_048  # members are taken together until they have so many bytes
_LARGE = 4_096  # one of so many stands alone


def end_of_piece(data: bytes, at: int) -> int:
    """Give where the piece that begins at `at` ends."""
    before = at
    for border in BORDER.finditer(data, at + 1):
        end = border.start()
        while end > before and data[end - 1] in _BEFORE_COMMA:
            end -= 1
        if end <= before or data[end - 1] not in ENDS:
            continue
        if end - at >= _SMALL:
            return before if end - before >= _LARGE and before > at else end
        before = end
    return before if len(data) - before >= _LARGE and before > at else len(data)
