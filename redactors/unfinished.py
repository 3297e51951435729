"""Where, at the end of a stream so far, a known value may have begun.

A stream may show what stands before that place. The answer may name too much (it only delays), never too little:
- every proper prefix of every form counts, from its first byte;
- of a value that is also found trimmed, every stretch counts: it is looked up by four bytes at a time.
"""

import sys
from array import array
from collections.abc import Iterable
from itertools import chain

from redactors.matcher import Segment, Target
from redactors.squeeze import BLANKS

STEP = 4
"""Bytes that are looked up at a time."""
_SPARSE = 8  # places in the table for each stretch of a form: one in eight others is taken for one
_SPARSEST, _SMALL = 64, 512 * 1024  # fewer are, while the table stays small: each costs as much as a search


class Beginnings:
    """The beginnings of all forms in a segment, squeezed; immutable.

    `whole` forms count from their first byte on, `parts` from any byte on.
    """

    def __init__(self, whole: Iterable[bytes], parts: Iterable[bytes]) -> None:
        whole, parts = tuple(whole), frozenset(parts)
        self.longest = max(map(len, whole), default=0)
        self._by_start: dict[bytes, list[bytes]] = {}
        for form in whole:
            self._by_start.setdefault(form[:STEP], []).append(form)
        self._steps = frozenset(part[at : at + STEP] for part in parts for at in range(len(part) - STEP + 1))
        self._going_on = frozenset(part[at : at + STEP] for part in parts for at in range(len(part) - STEP))
        self.short = frozenset(
            chain(
                (form[:size] for form in whole for size in range(1, STEP)),
                (part[at : at + size] for part in parts for size in range(1, STEP) for at in range(len(part))),
            )
        )
        """What the last three bytes or fewer may be if they are the beginning of a form."""
        self.inside = _table(whole)
        """Not 0 at the `number` of four bytes, modulo the length, that stand within a form, but at its end.

        Text that ends with other four bytes ends within no form. (For those who look at it with each chunk.)
        """

    def earliest(self, text: bytes) -> int:
        """Give the first place in squeezed `text` where a form may have begun that has not ended; its length if none.

        Stretches of fewer than four bytes are left to `short`.
        """
        last = text[-STEP:]
        if len(last) < STEP or not self.inside[number(last) % len(self.inside)]:
            return len(text)
        return min(self._first_whole(text), self._stretch(text))

    def _first_whole(self, text: bytes) -> int:
        """Walk back while four bytes stand within some form, and look what begins there."""
        first = len(text)
        table, size = self.inside, len(self.inside)
        for start in range(len(text) - STEP, max(0, len(text) - self.longest + 1) - 1, -1):
            step = text[start : start + STEP]
            if not table[number(step) % size]:
                break
            forms = self._by_start.get(step)
            if forms is not None:
                rest = text[start:]
                if any(len(form) > len(rest) and form.startswith(rest) for form in forms):
                    first = start
        return first

    def _stretch(self, text: bytes) -> int:
        """Walk back while the last four bytes stand so in some value that is also found trimmed."""
        place = len(text)
        if text[-STEP:] not in self._going_on:
            return place
        while place >= STEP and text[place - STEP : place] in self._steps:
            place -= 1
        return place - STEP + 1


def beginnings(segment: Segment) -> Beginnings:
    """Collect the forms of a segment as they look in the squeezed copy of a stream (`STREAM_GAPS`)."""
    whole = {target.text.translate(None, BLANKS): target for target in segment.targets}
    return Beginnings(whole, (text for text, target in whole.items() if counts_in_part(target)))


def counts_in_part(target: Target) -> bool:
    """Whether a stream masks a stretch of this form too: only of the raw one, to hold back little."""
    return target.form == "raw" and not target.whole


def number(step: bytes) -> int:
    """Give four bytes, or fewer, as the number by which they are looked up."""
    return int.from_bytes(step, sys.byteorder)


def _table(forms: Iterable[bytes]) -> bytearray:
    """Mark what stands within `forms`, four bytes at a time, but at their ends: 1 at the number modulo the size.

    A table and no set: the forms of 1,000 values have 800,000 stretches, which in a set take 50 MB.
    """
    forms = [form[:-1] for form in forms]
    stretches = sum(map(len, forms))
    table = bytearray(max(_SPARSE * stretches, min(_SPARSEST * stretches, _SMALL)) | 1)
    size = len(table)
    for form in forms:
        for shift in range(min(STEP, len(form) - STEP + 1)):
            for step in array("I", form[shift : shift + (len(form) - shift) // STEP * STEP]):
                table[step % size] = 1
    return table
