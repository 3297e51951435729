"""Where, at the end of a stream so far, a known value may have begun.

A stream may show what stands before that place. The answer may name too much (it only delays), never too little:
- every proper prefix of every form counts, from its first byte;
- of a value that is also found trimmed, every stretch counts: it is looked up by four bytes at a time.
"""

from collections.abc import Iterable
from itertools import chain

from redactors.matcher import Segment, Target
from redactors.patterns import Patterns
from redactors.squeeze import BLANKS

_STEP = 4


class Beginnings:
    """The beginnings of all forms in a segment, squeezed; immutable, compiled at the first use.

    `whole` forms count from their first byte on, `parts` from any byte on.
    """

    def __init__(self, whole: Iterable[bytes], parts: Iterable[bytes]) -> None:
        whole, parts = tuple(whole), frozenset(parts)
        self.longest = max(map(len, whole), default=0)
        self._by_start: dict[bytes, list[bytes]] = {}
        for form in whole:
            self._by_start.setdefault(form[:_STEP], []).append(form)
        self._steps = frozenset(part[at : at + _STEP] for part in parts for at in range(len(part) - _STEP + 1))
        self._going_on = frozenset(part[at : at + _STEP] for part in parts for at in range(len(part) - _STEP))
        self._short = frozenset(
            chain(
                (form[:size] for form in whole for size in range(1, _STEP)),
                (part[at : at + size] for part in parts for size in range(1, _STEP) for at in range(len(part))),
            )
        )
        self._starts = Patterns(self._by_start, literal=True)

    def earliest(self, text: bytes) -> int:
        """Give the first place in squeezed `text` where a form may have begun that has not ended; its length if none.

        Stretches of fewer than four bytes are left to `is_short`.
        """
        region = max(0, len(text) - self.longest + 1)
        for _, end in self._starts.scan(text[region:]):
            start = region + end - _STEP
            rest = text[start:]
            if any(len(form) > len(rest) and form.startswith(rest) for form in self._by_start[rest[:_STEP]]):
                return min(start, self._stretch(text))
        return self._stretch(text)

    def is_short(self, end: bytes) -> bool:
        """Whether `end`, the last three bytes or fewer, may be the beginning of a form."""
        return end in self._short

    def _stretch(self, text: bytes) -> int:
        """Walk back while the last four bytes stand so in some value that is also found trimmed."""
        place = len(text)
        if text[-_STEP:] not in self._going_on:
            return place
        while place >= _STEP and text[place - _STEP : place] in self._steps:
            place -= 1
        return place - _STEP + 1


def beginnings(segment: Segment) -> Beginnings:
    """Collect the forms of a segment as they look in the squeezed copy of a stream (`STREAM_GAPS`)."""
    whole = {target.text.translate(None, BLANKS): target for target in segment.targets}
    return Beginnings(whole, (text for text, target in whole.items() if counts_in_part(target)))


def counts_in_part(target: Target) -> bool:
    """Whether a stream masks a stretch of this form too: only of the raw one, to hold back little."""
    return target.form == "raw" and not target.whole
