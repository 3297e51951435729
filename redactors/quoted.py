r"""Where a value in quotes ends, whatever it holds: `"pa\"ss"`, `"pa,ss"`, and the same in JSON, and in JSON in JSON.

A rule that knows no shape stops at the first byte that seldom stands in a secret; half a password is not masked.
In a string at depth n the quotation mark that opens it has 2^n - 1 backslashes. Within it, an escaped quotation mark
has 2^(n+1) - 1 of them and an escaped backslash 2^(n+1); so what is left of a run, divided by that, tells an end from
a character. JSON does not escape `'` and backquotes: there any backslash before one escapes it.
"""

import re

_LONGEST = 256
"""Bytes from where a rule stops to the closing quote, at most."""
_QUOTES = (b'"', b"'", b"`")
_PIECE = re.compile(rb"[^\\\"'`\s\0]*+(\\*)([^\\])")
_BLANKS = frozenset((b" ", b"\t", b"\r", b"\n", b"\0"))
_BLANK_ESCAPES = frozenset((b"n", b"r", b"t"))
_BACKSLASH = 0x5C


def end_of_value(data: bytes, start: int, end: int) -> int:
    """Give the end of the quoted value that begins at `start` and that a rule followed to `end`.

    `end` itself if no quote opens it, if it ends there, or if blanks or a line end stand before its closing quote.
    """
    quote = data[start - 1 : start] if start else b""
    escapes = _backslashes_before(data, start - 1) if quote in _QUOTES else 0
    if quote not in _QUOTES or escapes & (escapes + 1):
        return end
    at = end
    while piece := _PIECE.match(data, at, end + _LONGEST):
        run, behind, at = len(piece[1]), piece[2], piece.end()
        left = run % (2 * escapes + 2)
        if behind == quote and left == escapes and (quote == b'"' or run == 0):
            return piece.start(2) - escapes
        if behind in _BLANKS or (left and behind in _BLANK_ESCAPES) or (behind == b'"' and left < max(1, escapes)):
            return end
    return end


def _backslashes_before(data: bytes, offset: int) -> int:
    run = offset
    while run and data[run - 1] == _BACKSLASH:
        run -= 1
    return offset - run
