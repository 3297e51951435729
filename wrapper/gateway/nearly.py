"""Near-misses of placeholders in one answer, whose texts come whole or in parts. Pure."""

import re
from typing import Final, Protocol

from redactors.nearly import NearMiss

_MOST: Final = 20  # told of one answer; a model that repeats itself need not be quoted in full
_OPEN_RUN: Final = re.compile(rb"[A-Za-z0-9_-]{1,120}\Z")  # may go on in the next part; a placeholder is shorter


class Near(Protocol):
    """What is needed of the vault."""

    def near_misses(self, data: bytes) -> list[NearMiss]:
        """Find text that was meant as a placeholder and is none."""


class NearMisses:
    """Collects them; `found` are sentences for the user, each once."""

    def __init__(self, vault: Near) -> None:
        self._vault = vault
        self.found: dict[str, None] = {}

    def whole(self, text: bytes) -> None:
        """Take a text that has ended."""
        for near in self._vault.near_misses(text):
            if len(self.found) < _MOST:
                self.found[near.what] = None

    def text(self) -> "NearText":
        """Begin a text that comes in parts."""
        return NearText(self)


class NearText:
    """One text that comes in parts."""

    def __init__(self, misses: NearMisses) -> None:
        self._misses = misses
        self._held = b""

    def part(self, text: bytes) -> None:
        """Take the next part; a run of letters at its end waits for the rest."""
        joined = self._held + text
        run = _OPEN_RUN.search(joined, max(0, len(joined) - 120))
        border = run.start() if run else len(joined)
        self._held = joined[border:]
        if border:
            self._misses.whole(joined[:border])

    def end(self) -> None:
        """Take notice that the text has ended."""
        if self._held:
            self._misses.whole(self._held)
            self._held = b""
