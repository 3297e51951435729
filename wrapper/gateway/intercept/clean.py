"""Heads in which nothing was found: a client sends the same with every request; they are searched once; pure.

A text is clean only for what was known when the search of it began: `state` is taken before, and counts with `add`.
"""

from collections.abc import Callable
from typing import Final

_MOST: Final = 256  # texts
_LONGEST: Final = 4 * 2**10  # bytes

State = tuple[int, int]


class Clean:
    """Some texts. `generation` grows with every value that becomes known. One thread asks; any may say `forget`."""

    def __init__(self, generation: Callable[[], int]) -> None:
        self._generation = generation
        self._forgotten = 0
        self._texts: set[bytes] = set()
        self._state: State = (0, 0)

    @property
    def state(self) -> State:
        """For what a search that begins now is good."""
        return self._generation(), self._forgotten

    def holds(self, text: bytes) -> bool:
        """Whether nothing that is known now stands in `text`."""
        return text in self._texts and self._state == self.state

    def add(self, text: bytes, state: State) -> None:
        """Take note that a search which began in `state` found nothing."""
        if state != self.state or len(text) > _LONGEST:
            return
        if state != self._state or len(self._texts) >= _MOST:
            self._texts, self._state = set(), state
        self._texts.add(text)

    def forget(self) -> None:
        """Search all anew: what is found besides known values has changed."""
        self._forgotten += 1
