"""Which runs stand in which others, byte for byte; pure.

Each pair is compared once however often it is asked for: a conversation repeats with every request what it has found.
"""

from collections.abc import Callable, Iterable
from typing import Final

from wrapper.review.runs import Run

_MOST_BYTES: Final = 64 << 20  # of texts of runs that are remembered


class Containing:
    """Remembers runs and their bytes, which `text` gives."""

    def __init__(self, text: Callable[[Run], bytes]) -> None:
        self._text = text
        self._texts: dict[Run, bytes] = {}
        self._inner: dict[Run, list[Run]] = {}
        self._size = 0

    def learn(self, runs: Iterable[Run]) -> None:
        """Compare new runs with each other and with all before; what is not among `runs` may be forgotten."""
        runs = list(runs)
        if self._size > _MOST_BYTES:
            self._texts, self._inner, self._size = {}, {}, 0
        for run in runs:
            if run not in self._texts:
                self._add(run, self._text(run))

    def within(self, run: Run) -> list[Run]:
        """Give the learnt runs of other known texts whose bytes stand in those of `run`."""
        return self._inner[run]

    def _add(self, run: Run, text: bytes) -> None:
        size = run.end - run.start
        inner = self._inner[run] = []
        for other, there in self._texts.items():
            if other.known == run.known:
                continue
            if size >= other.end - other.start and there in text:
                inner.append(other)
            if other.end - other.start >= size and text in there:
                self._inner[other].append(run)
        self._texts[run] = text
        self._size += len(text)
