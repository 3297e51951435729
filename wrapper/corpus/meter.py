"""One line on a terminal that says how far a check is: what, how fast, how long yet; silent anywhere else."""

import time
from typing import TYPE_CHECKING, Final, TextIO

from wrapper.review.sizes import size
from wrapper.review.times import span

if TYPE_CHECKING:
    from wrapper.corpus.engines import Progress

_EVERY: Final = 0.2  # seconds
_ERASE: Final = "\r\x1b[K"
_SETTLED: Final = 1.0  # seconds, before which a rate says nothing


class Meter:
    """Draws a line, five times a second at most."""

    def __init__(self, stream: TextIO, *, is_shown: bool) -> None:
        self._stream = stream
        self._is_shown = is_shown
        self._began = time.monotonic()
        self._next = self._began + _EVERY
        self._first: Progress | None = None
        self._drawn = False

    def __call__(self, progress: "Progress") -> None:
        """Take note of how far the run is; what an earlier run had done says nothing about this one's speed."""
        self._first = self._first or progress
        now = time.monotonic()
        if self._is_shown and now >= self._next:
            self._next = now + _EVERY
            self._stream.write(_ERASE + line(progress, progress.size - self._first.size, now - self._began))
            self._stream.flush()
            self._drawn = True

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn:
            self._stream.write(_ERASE)
            self._stream.flush()
            self._drawn = False


def line(progress: "Progress", done: int, seconds: float) -> str:
    """Say how far a run is that has read `done` bytes in so many seconds."""
    told = [
        f"judged {size(progress.size)} of {size(progress.total)}",
        f"{progress.documents:,} documents",
        f"{progress.refused:,} refused",
    ]
    if done and seconds >= _SETTLED:
        rate = done / seconds
        told += [f"{rate / 1e6:.1f} MB/s", f"{span((progress.total - progress.size) / rate)} left"]
    return ", ".join(told)
