"""Known values masked in texts that come in parts, such as the answers of a model: many short streams.

What `knownstream` promises for a terminal holds for each text. Two things differ: what the inside knows anyway is left
as it is; and what all texts need of the known values is worked out once (50 ms for 1,000 values, and again for those
that are added), not for each text.
"""

import copy
import threading
from collections.abc import Callable
from typing import Self

from redactors.finding import Finding
from redactors.known import KnownValues
from redactors.knownstream import KnownStream
from redactors.matcher import Pass, Segment
from redactors.vault import Origin, Vault


class Echo(KnownStream):
    """One text: bytes in, bytes out, as `KnownStream`."""

    def __init__(self, known: KnownValues, vault: Vault) -> None:
        super().__init__(known, vault)
        self._first: Self | None = None  # the one that works out what all need; None: this one
        self._working = threading.Lock()

    def another(self) -> Self:
        """Give one for another text; only of one that is never fed itself."""
        self.prepare()
        made = copy.copy(self)
        made._first = self  # noqa: SLF001  (a copy of its own class)
        return made

    def prepare(self) -> None:
        """Work out what is needed of values that are new."""
        with self._working:
            self.feed(b"")

    def _prepare(self, segments: tuple[Segment, ...]) -> None:
        first = self._first
        if first is None:
            super()._prepare(segments)
            return
        with self._working:
            first.feed(b"")
            self._prepare_as(first)

    def _sees(self, segment: Segment) -> Callable[[bytes], bool]:
        """As for any stream, but for all threads: what is worked out once serves the texts of all."""
        return lambda text: bool(segment.search(text, Pass.BOTH))

    def _show(self, end: int, findings: list[Finding]) -> bytes:
        return super()._show(end, [found for found in findings if not self._is_insides(found)])

    def _is_insides(self, found: Finding) -> bool:
        placeholder = (self._vault.placeholder_of(found.value) or "").encode()
        return self._vault.restore(placeholder, to=Origin.INSIDE) != placeholder


class Echoes:
    """Makes the texts of one process; safe to share between threads, each text for one of them."""

    def __init__(self, known: KnownValues, vault: Vault) -> None:
        self._known = known
        self._first = Echo(known, vault)
        self._generation = -1

    @property
    def is_ready(self) -> bool:
        """Whether a text can begin without delay: no values are new."""
        return self._generation == self._known.generation

    def prepare(self) -> None:
        """Work out what is needed of values that are new; may take tens of milliseconds."""
        generation = self._known.generation
        self._first.prepare()
        self._generation = generation

    def text(self) -> Echo:
        """Begin a text."""
        return self._first.another()
