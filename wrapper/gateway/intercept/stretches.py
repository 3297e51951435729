"""A body that is judged while it passes; pure.

What it promises:
1. Nothing leaves before it was looked at together with what stands around it: `_AROUND` bytes of what has left, and as
   many of what is to come. So whatever is shorter is found whole, as in a body that is at hand.
2. Stretches end at places that only the bytes decide, so any chunking comes to the same, as long as nobody calls
   `flush`. After one, what was cut is found as soon as its rest comes, and the rest does not leave.
The engine is asked as for whole bodies, so that context, closed files and escapes count as there, and what is only
recorded leaves as it is: `redactors.stream` masks all that it finds.
"""

from collections.abc import Iterator
from typing import Final

from redactors.stream import LONGEST_HELD
from wrapper.gateway.intercept.finding import Looked, Weighing, replaced
from wrapper.gateway.unfold import Unfolding

_STRETCH: Final = 256 * 2**10  # bytes that are judged at once: under 2 ms
_AROUND: Final = LONGEST_HELD


class Stretches:
    """Bytes in, stretches out that were looked at; `weighing` has no more to say than for a whole body."""

    def __init__(self, weighing: Weighing) -> None:
        self._weighing = weighing
        self._unfolding = Unfolding(weighing.engine)
        self._before = b""  # of what has left
        self._waiting = bytearray()
        self._left = 0  # bytes

    @property
    def held(self) -> bool:
        """Whether bytes wait for what is to come."""
        return bool(self._waiting)

    @property
    def due(self) -> bool:
        """Whether a stretch can be judged with all that is around it."""
        return len(self._waiting) >= _STRETCH + _AROUND

    def take(self, data: bytes) -> None:
        """Take more bytes; `next` gives stretches while they are `due`."""
        self._waiting += data

    def next(self) -> Looked:
        """Judge the next stretch."""
        return self._judged(min(_STRETCH, len(self._waiting)))

    def flush(self) -> Iterator[Looked]:
        """Judge all that is here: the body has ended, or nothing comes for a while."""
        while self._waiting:
            yield self.next()

    def _judged(self, size: int) -> Looked:
        data = self._before + bytes(self._waiting[: size + _AROUND])
        begin = len(self._before)
        end = begin + size
        found = [one for one in self._unfolding.find(data) if begin < one.end and one.start < end]
        if found:
            end = max(end, found[-1].end)  # what begins in a stretch ends in it
            found[0] = found[0]._replace(start=max(begin, found[0].start))
        moved = [one._replace(start=one.start - begin, end=one.end - begin) for one in found]
        looked = replaced(data[begin:end], moved, self._weighing, at=self._left)
        self._before = data[max(0, end - _AROUND) : end]
        del self._waiting[: end - begin]
        self._left += end - begin
        return looked
