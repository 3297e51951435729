"""One line on a terminal that says how far a scan is; silent anywhere else."""

import mmap
import os
import time
from typing import Final, TextIO

_EVERY: Final = 0.1  # seconds
_FIRST: Final = 0.4  # what is done sooner needs no line
_ERASE: Final = "\r\x1b[K"
_SLOTS: Final = 64  # more than workers; their process ids follow each other


class Progress:
    """Counts up; drawn ten times a second at most, by the process that made it. Forked workers count, too."""

    def __init__(self, stream: TextIO, *, is_shown: bool) -> None:
        self._stream = stream
        self._is_shown = is_shown
        self._owner = os.getpid()
        self._next = time.monotonic() + _FIRST
        self._drawn = False
        self._what = ""
        self._total = 0
        self._counts = memoryview(mmap.mmap(-1, 8 * _SLOTS)).cast("Q")  # shared with what is forked from now on

    def begin(self, what: str, total: int) -> None:
        """Start counting from nothing; `what` is said before the numbers."""
        self._what, self._total = what, total
        self._counts[:] = memoryview(bytes(8 * _SLOTS)).cast("Q")

    def step(self) -> None:
        """Count one; draw if it is time."""
        if not self._is_shown:
            return
        process = os.getpid()
        self._counts[process % _SLOTS] += 1
        if process != self._owner or time.monotonic() < self._next:
            return
        self._stream.write(f"{_ERASE}{self._what} {sum(self._counts):,} of {self._total:,}")
        self._stream.flush()
        self._drawn = True
        self._next = time.monotonic() + _EVERY

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn:
            self._stream.write(_ERASE)
            self._stream.flush()
            self._drawn = False
