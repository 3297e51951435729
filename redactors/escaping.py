r"""How deep text is escaped where it stands: as it is, in a JSON string, in a JSON string within a JSON string.

At depth n a quotation mark has 2^n - 1 backslashes before it, and the letter of a control character 2^(n-1); at depth 0
control characters stand for themselves. So the first of them behind a place tells its depth. Other runs of backslashes
are text.
"""

import re
from typing import NamedTuple

from redactors.ondemand import OnDemand

LONGEST_LINE = 1_024
"""Bytes behind a place in which its depth is looked for."""
BLANK = rb"(?:\s|\\{1,7}[nrt])*"
"""Any blanks, at whatever depth."""
_DEEPEST = 3
_FIRST = re.compile(rb'[^\\\r\n]{0,%d}+(?:(?P<run>\\{1,8}+)(?P<what>["nrt])|\r?\n)' % LONGEST_LINE)
_BACKSLASH = 0x5C


class Depth(NamedTuple):
    """One depth: expressions for what is written differently at each.

    `border`: what ends the text, as the end of the string does that it stands in; nothing does at depth 0. `before`:
    what may stand right before a line.
    """

    quote: bytes
    tab: bytes
    line_end: bytes
    border: bytes
    before: OnDemand


def _depth(number: int) -> Depth:
    if number == 0:
        return Depth(b'"', b"\t", rb"\r?\n", rb"(?!)", OnDemand(b"\n"))
    escape = rb"(?<!\\)\\{%d}" % 2 ** (number - 1)
    line_end = rb"(?:%br)?%bn" % (escape, escape)
    border = rb'(?<!\\)\\{0,%d}"|[\r\n]' % (2**number - 2)
    before = OnDemand(line_end + b"|" + border + b"|['`]")
    return Depth(rb'(?<!\\)\\{%d}"' % (2**number - 1), escape + b"t", line_end, border, before)


DEPTHS = tuple(map(_depth, range(_DEEPEST + 1)))
_OF_LETTER = {2 ** (number - 1): DEPTHS[number] for number in range(1, _DEEPEST + 1)}
_OF_QUOTE = {2**number - 1: DEPTHS[number] for number in range(1, _DEEPEST + 1)}


def depth_at(data: bytes, at: int) -> Depth | None:
    """Tell the depth of the text at `at`, on whose line nothing else is escaped; None if its line is too long."""
    while at > 0 and data[at - 1] == _BACKSLASH:  # of an escape, all of it
        at -= 1
    first = _FIRST.match(data, at)
    if first is None:
        return None
    if first["what"] is None:
        return DEPTHS[0]
    return (_OF_QUOTE if first["what"] == b'"' else _OF_LETTER).get(len(first["run"]))
