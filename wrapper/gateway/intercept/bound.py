"""Placeholders of bindings in bytes: where they stand, and where one may be about to stand; pure.

Rules of this file:
1. Only whole ones count. `MASKED-KEY-7F3K9Q2X` is not found in `MASKED-KEY-7F3K9Q2X-ABCDEFGH`, which is another
   placeholder, nor in `MASKED-KEY-7F3K9Q2XY`, which is none.
2. What is found at a mark depends on the LONGEST bytes around it alone, so a stream that holds back so much finds the
   same in any pieces.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from redactors.vault import LONGEST_PREFIX, MARK, PLACEHOLDER, overlap
from wrapper.gateway.intercept.bindings import Binding

_MOST: Final = 80  # bytes of a placeholder without its prefix: its kind has 64 at most
LONGEST: Final = _MOST + 1 + LONGEST_PREFIX
"""Bytes: a prefix, a placeholder, and the byte behind it."""
_OURS: Final = re.compile(PLACEHOLDER)
_OPEN_END: Final = re.compile(rb"MASKED-[A-Z0-9-]{0,%d}\Z" % (_MOST - len(MARK)))
_GOES_ON: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")


class Place(NamedTuple):
    """Where a placeholder stands, and whose it is: the bindings that share it."""

    start: int
    end: int
    bindings: tuple[Binding, ...]


class Placeholders:
    """The placeholders of some bindings, with their prefixes and without."""

    def __init__(self, bindings: Iterable[Binding]) -> None:
        self._by_bare: dict[bytes, tuple[Binding, ...]] = {}
        for one in bindings:
            bare = one.placeholder[max(0, one.placeholder.find(MARK)) :]
            self._by_bare[bare] = (*self._by_bare.get(bare, ()), one)
        prefixes = (one.placeholder[: max(0, one.placeholder.find(MARK))] for one in self.bindings())
        self._beginnings = tuple(prefix + MARK for prefix in dict.fromkeys((b"", *prefixes)))

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._by_bare)

    def bindings(self) -> Iterator[Binding]:
        """Give all bindings."""
        for sharing in self._by_bare.values():
            yield from sharing

    def find(self, data: bytes) -> Iterator[Place]:
        """Give each that stands in `data`, in order."""
        done, mark = 0, data.find(MARK)
        while mark >= 0:
            found = _whole(data, mark)
            sharing = self._by_bare.get(found.group()) if found is not None else None
            if found is not None and sharing:
                yield Place(_begin(sharing[0], data, mark, done), found.end(), sharing)
                done = found.end()
            mark = data.find(MARK, max(done, mark + 1))

    def may_go_on(self, data: bytes) -> int:
        """Give where the end of `data` begins that more bytes may make a placeholder; its length for none."""
        run = _OPEN_END.search(data, max(0, len(data) - _MOST))
        if run:
            mark = run.start() + len(MARK)
            return min(mark - len(one) for one in self._beginnings if data.endswith(one, 0, mark))
        return len(data) - max(overlap(data, one) for one in self._beginnings)


def _whole(data: bytes, mark: int) -> re.Match[bytes] | None:
    """Give what looks like a placeholder at `mark`, if no letter or digit follows."""
    found = _OURS.match(data, mark, mark + _MOST)
    if found is None or (found.end() < len(data) and data[found.end()] in _GOES_ON):
        return None
    return found


def _begin(binding: Binding, data: bytes, mark: int, low: int) -> int:
    """Give where a placeholder begins whose mark is known: before it may stand the binding's prefix."""
    size = max(0, binding.placeholder.find(MARK))
    return mark - size if data.endswith(binding.placeholder[:size], low, mark) else mark
