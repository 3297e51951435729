"""What is real for what the inside wrote into a file, so that it cannot read there what it did not know.

Promise 3 wants the value behind every placeholder on disk, promise 2 wants none of them seen again. A value that is
searched for is found wherever it stands, so it can be put anywhere. Others are masked only where they stand: too short
or too common to be searched for, they are secrets by their key in a dotenv file or by the URL around them. Whoever
writes such a placeholder somewhere else would learn its value. So:

1. One of these becomes its value only where the file that comes of it shows it as masked; else it stays as it is.
2. The places are asked for in the real content: nothing that is written around a placeholder makes its value look like
   something that was there before.
"""

import re
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from redactors.known import KnownValues
from redactors.vault import Vault

Span = tuple[int, int]
"""Where something begins and ends in a content, in bytes."""
Hidden = Callable[[bytes], Sequence[Span] | None]
"""Gives what would be masked in a file of this real content; None where the file could not be opened at all."""

_TRIES: Final = 4  # what stays a placeholder may change how the rest is read; then none of them is restored


class Restoring:
    """Puts values back for what `vault` has issued; `known` is what is searched for in every file."""

    def __init__(self, vault: Vault, known: KnownValues | None) -> None:
        self._vault = vault
        self._known = known
        self._asked = 0  # how many of the issued values were looked at
        self._unsearched: list[bytes] = []
        self._marks: re.Pattern[bytes] | None = None

    def hangs(self, shown: bytes | bytearray) -> bool:
        """Say whether a placeholder stands in this text whose value is masked only where it stands."""
        marks = self._pattern()
        return marks is not None and marks.search(shown) is not None

    def real(self, shown: bytes, hidden: Hidden) -> bytes:
        """Give what is real for the whole content of a file that is `shown` so."""
        marks = self._pattern()
        if marks is None or not marks.search(shown):
            return self._vault.restore_in_file(shown)
        kept: set[int] = set()
        for _ in range(_TRIES):
            real, places = self._restored(marks, shown, kept)
            spans = hidden(real)
            seen = () if spans is None else [at for at, place in places.items() if not _lies_in(place, spans)]
            if not seen:
                return real
            kept.update(seen)
        return self._restored(marks, shown, None)[0]

    def _restored(self, marks: re.Pattern[bytes], shown: bytes, kept: set[int] | None) -> tuple[bytes, dict[int, Span]]:
        """Restore all but the placeholders at `kept` (None: at all of these places); give where their values stand."""
        parts: list[bytes] = []
        places: dict[int, Span] = {}
        size = done = 0
        for mark in marks.finditer(shown):
            start = mark.start() - self._vault.prefix_before(shown, mark.start())
            between = self._vault.restore_in_file(shown[done:start])
            text = shown[start : mark.end()]
            value = text if kept is None or start in kept else self._vault.restore_in_file(text)
            size += len(between)
            if value != text:
                places[start] = size, size + len(value)
            parts += between, value
            size, done = size + len(value), mark.end()
        return b"".join((*parts, self._vault.restore_in_file(shown[done:]))), places

    def _pattern(self) -> re.Pattern[bytes] | None:
        """Give what finds placeholders of values that are not searched for; None where there are none."""
        if self._asked != len(self._vault):
            issued = tuple(islice(self._vault.issued(), self._asked, None))
            self._asked += len(issued)
            new = [re.escape(one.bare.encode()) for one in issued if not self._is_searched(one.value)]
            if new:
                self._unsearched += new
                self._marks = re.compile(b"|".join(sorted(self._unsearched, reverse=True)))  # the longest counts
        return self._marks

    def _is_searched(self, value: bytes) -> bool:
        """Say whether a value that stands alone is found whole; who is found in part counts as not found."""
        found = [] if self._known is None else self._known.find(value)
        return _lies_in((0, len(value)), [(one.start, one.end) for one in found])


def _lies_in(place: Span, spans: Sequence[Span]) -> bool:
    """Say whether a place is covered by spans, which are sorted."""
    at, end = place
    for first, last in spans:
        if first <= at < last:
            at = last
    return at >= end
