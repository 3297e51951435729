"""A body that is judged while it passes; pure.

What it promises:
1. Nothing leaves before it was looked at together with what stands around it: `AROUND` bytes of what has left, and as
   many of what is to come. So whatever is shorter is found whole, as in a body that is at hand.
2. Stretches end at places that only the bytes decide, so any chunking comes to the same, as long as nobody calls
   `flush` or `pause`. After one, what was cut is found as soon as its rest comes, and the rest does not leave.
3. A pause lets nothing out of a line that has not ended: else a value that comes letter by letter would leave so. What
   has NULs has no lines: such protocols say ahead how long a message is, and wait for its answer. Whether a line waits
   never depends on what is known, or pauses would tell where a guess begins a value.
The engine is asked as for whole bodies, so that context, closed files and escapes count as there, and what is only
recorded leaves as it is: `redactors.stream` masks all that it finds.
"""

from collections.abc import Iterator

from wrapper.gateway.intercept.finding import Looked, Weighing, replaced
from wrapper.gateway.intercept.searching import AROUND, PORTION
from wrapper.gateway.unfold import Unfolding


class Stretches:
    """Bytes in, stretches out that were looked at; `weighing` has no more to say than for a whole body."""

    def __init__(self, weighing: Weighing) -> None:
        self._weighing = weighing
        self._unfolding = Unfolding(weighing.engine)
        self.judged = b""
        """The last stretch, as it came."""
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
        return len(self._waiting) >= PORTION + AROUND

    @property
    def settled(self) -> int:
        """How many bytes of those that wait may go in a pause: whole lines, or all where there are none."""
        has_lines = b"\0" not in self._waiting and b"\0" not in self._before
        return self._waiting.rfind(b"\n") + 1 if has_lines else len(self._waiting)

    @property
    def upcoming(self) -> bytes:
        """What `next` will look at."""
        return self._before + bytes(self._waiting[: PORTION + AROUND])

    def take(self, data: bytes) -> None:
        """Take more bytes; `next` gives stretches while they are `due`."""
        self._waiting += data

    def next(self) -> Looked:
        """Judge the next stretch."""
        return self._judged(min(PORTION, len(self._waiting)))

    def pause(self) -> Looked:
        """Judge what is `settled`, or the beginning of it: nothing comes for a while."""
        return self._judged(min(PORTION, self.settled))

    def flush(self) -> Iterator[Looked]:
        """Judge all that is here: the body has ended."""
        while self._waiting:
            yield self.next()

    def _judged(self, size: int) -> Looked:
        data = self._before + bytes(self._waiting[: size + AROUND])
        begin = len(self._before)
        end = begin + size
        found = [one for one in self._unfolding.find(data) if begin < one.end and one.start < end]
        if found:
            end = max(end, found[-1].end)  # what begins in a stretch ends in it
            found[0] = found[0]._replace(start=max(begin, found[0].start))
        moved = [one._replace(start=one.start - begin, end=one.end - begin) for one in found]
        looked = replaced(data[begin:end], moved, self._weighing, at=self._left)
        self.judged = data[begin:end]
        self._before = data[max(0, end - AROUND) : end]
        del self._waiting[: end - begin]
        self._left += end - begin
        return looked
