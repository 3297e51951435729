"""Text without its terminal sequences, for streams: worked out once for all who look at the same bytes.

Rules of this file:
1. What is taken out is what `ESCAPE_SEQUENCE` matches, from the left; nothing else.
2. Output that is coloured word by word has a sequence every ten bytes: they are what a search of it costs. Control
   sequences (CSI) are almost all of them, and are taken out by an expression of their own, in three quarters of the
   time. If no escape character is left, each began such a sequence, and rule 1 holds: at an escape character the
   whole expression matches a control sequence if it matches that one, and no other sequence has room for one in it.
"""

import re
from collections.abc import Callable

from redactors.squeeze import ESCAPE_SEQUENCE, UNFINISHED_SEQUENCE

Strip = Callable[[bytes], bytes]

_ESCAPE = b"\x1b"
_LONGEST_REMEMBERED = 64 * 1024
_TERMINATOR = b"\x1b\\"  # of an operating system command (OSC); elsewhere a sequence of its own
_CONTROL_SEQUENCE = re.compile(rb"\x1b\[[0-?]{0,64}+[ -/]{0,4}+[@-~]")  # the first branch of `ESCAPE_SEQUENCE`


def without_sequences(data: bytes) -> bytes:
    """Give `data` without its terminal sequences; the same object if it has none."""
    if _ESCAPE not in data:
        return data
    text = b"".join(_CONTROL_SEQUENCE.split(data))
    return text if _ESCAPE not in text else b"".join(ESCAPE_SEQUENCE.split(data))


def finished(data: bytes) -> bytes:
    """Give `data` without a sequence at its end that is not whole; the same object if there is none.

    Such a sequence holds no other escape character, unless the very last byte is one, as which its end may begin.
    """
    last = data.rfind(_ESCAPE)
    if last < 0 or ESCAPE_SEQUENCE.match(data, last):
        return data
    if last == len(data) - 1:
        before = data.rfind(_ESCAPE, 0, last)
        if before >= 0 and UNFINISHED_SEQUENCE.match(data, before):
            return data[:before]
    return data[:last] if UNFINISHED_SEQUENCE.match(data, last) else data


def place_of_last(data: bytes, size: int) -> int:
    """Give where the last `size` bytes of `data` begin, of which it has so many, that belong to no sequence."""
    end = len(data)
    while True:
        start, behind = _last_sequence(data, end)
        if end - behind >= size:
            return end - size
        size -= end - behind
        end = start


def _last_sequence(data: bytes, end: int) -> tuple[int, int]:
    """Give where the last sequence in `data[:end]` begins and ends; of an escape character without one its place."""
    start = data.rfind(_ESCAPE, 0, end)
    if start < 0:
        return 0, 0
    found = ESCAPE_SEQUENCE.match(data, start)
    if found is None:
        return start, start
    if found[0] == _TERMINATOR:
        before = data.rfind(_ESCAPE, 0, start)
        longer = ESCAPE_SEQUENCE.match(data, before) if before >= 0 else None
        if longer is not None and longer.end() == found.end():
            start = before
    return start, found.end()


def once(strip: Strip) -> Strip:
    """Give a `strip` that remembers its last answer, for those who ask about the same object one after the other.

    Memory is bounded: what is long is not remembered. Not for several threads at once.
    """
    asked = answer = b""

    def remembering(data: bytes) -> bytes:
        nonlocal asked, answer
        if len(data) > _LONGEST_REMEMBERED:
            return strip(data)
        if data is not asked:
            asked, answer = data, strip(data)
        return answer

    return remembering
