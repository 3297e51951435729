"""Documents that came before, the latest of them: which one a new document goes on from, and what both share.

Rules of this file:
1. What two documents share is found by comparing their bytes, and by nothing else; each is passed over once, at the
   speed of memory, and nothing of it is copied.
2. What is held is bounded: in bytes, as who adds a document says what it takes, and in number. What was not needed for
   longest goes first.
"""

from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

_BLOCK = 1 << 18  # bytes compared at once: what is compared again, to find the place of a difference, is in the cache
_MOST = 16  # conversations under way at once: a client's main one, its helpers, its titles
_REPLACED = 8  # of a document, one part in so many may be missing from the one that takes its place


class Whole(Protocol):
    """What is held of a document."""

    data: bytes

    def whole(self, size: int) -> int:
        """Give how many of its first `size` bytes are whole pieces of it."""


T = TypeVar("T", bound=Whole)


class Shared(NamedTuple, Generic[T]):
    """A document that begins with so many bytes of `earlier`, whole pieces, and ends with so many.

    A byte at most is in both, which tells that a piece ends with it. The document does not only end so.
    """

    earlier: T
    prefix: int
    suffix: int

    @property
    def is_most(self) -> bool:
        """Whether hardly anything of the earlier one is missing."""
        size = len(self.earlier.data)
        return size - self.prefix - self.suffix <= size // _REPLACED


class Earlier(Generic[T]):
    """Holds documents up to `most` bytes. For one thread at a time, but for `size`, the bytes that are taken."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: list[tuple[T, int]] = []  # with what each takes, the latest first
        self.size = 0

    def nearest(self, data: bytes, is_usable: Callable[[T], bool]) -> Shared[T] | None:
        """Give the usable document that shares most with `data`, of those that begin alike; None if there is none."""
        best: Shared[T] | None = None
        for earlier, _ in self._held:
            same = shared_start(earlier.data, data)
            if not same or not is_usable(earlier):
                continue
            prefix = earlier.whole(same)
            suffix = shared_end(earlier.data, data, min(len(earlier.data), len(data)) - max(prefix - 1, 1))
            if best is None or prefix + suffix > best.prefix + best.suffix:
                best = Shared(earlier, prefix, suffix)
            if best.is_most:
                break
        return best

    def add(self, document: T, size: int) -> None:
        """Hold a document that takes `size` bytes now, unless it is too large."""
        held = [(document, size), *(one for one in self._held if one[0] is not document)][:_MOST]
        total = sum(taken for _, taken in held)
        while total > self._most:
            total -= held.pop()[1]
        self._held, self.size = held, total


def shared_start(one: bytes, other: bytes) -> int:
    """Count the bytes that both begin with."""
    view, most = memoryview(other), min(len(one), len(other))
    at, step = 0, _BLOCK
    while at < most and step:
        size = min(step, most - at)
        if one.startswith(view[at : at + size], at):
            at += size
        else:
            step //= 2
    return at


def shared_end(one: bytes, other: bytes, most: int) -> int:
    """Count the bytes that both end with, up to `most`, which is no more than either has."""
    view, first, second = memoryview(other), len(one), len(other)
    at, step = 0, _BLOCK
    while at < most and step:
        size = min(step, most - at)
        if one.startswith(view[second - at - size : second - at], first - at - size):
            at += size
        else:
            step //= 2
    return at
