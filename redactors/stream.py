"""The stream redactor: bytes in, bytes out, secrets masked.

What it promises:
1. Any chunking of the same bytes gives the same output, as long as nobody calls `flush` and no value is added.
2. Held back is only what may still become a match, and never more than LONGEST_HELD bytes for known values and as much
   for rules.
3. Known values first (`redactors.knownstream`); then, if an engine is given, what its rules find in the rest
   (`redactors.rulestream`). The screen is shown without: the user may see a key that the agent has just made.
"""

from bisect import bisect_right
from collections.abc import Callable

from redactors.engine import Engine
from redactors.finding import Finding
from redactors.known import KnownValues
from redactors.knownstream import KnownStream
from redactors.rulestream import LONGEST_HELD, RuleStream
from redactors.vault import Vault

__all__ = ["LONGEST_HELD", "StreamRedactor"]


class StreamRedactor:
    """Masks known values, and with an `engine` what it finds. Not for several threads at once.

    The known values may grow meanwhile, for later bytes. Call `flush` about 20 ms after the last byte, at once after
    the echo of a key (a letter may begin a value), and at the end. `on_mask(finding, placeholder)` is told each mask;
    offsets count from the start of the stream.
    """

    def __init__(self, known: KnownValues, vault: Vault, *, engine: Engine | None = None) -> None:
        self.on_mask: Callable[[Finding, str], None] | None = None
        self._values = KnownStream(known, vault)
        self._values.on_mask = self._tell
        self._rules = RuleStream(engine, vault) if engine is not None else None
        self._moved: list[tuple[int, int]] = [(0, 0)]
        if self._rules is not None:
            self._values.on_moved = lambda given, shift: self._moved.append((given, shift))
            self._rules.on_mask = self._tell_moved

    @property
    def held(self) -> bool:
        """Whether bytes are held back."""
        return self._values.held or (self._rules is not None and self._rules.held)

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes, give what may be shown now."""
        shown = self._values.feed(data)
        return shown if self._rules is None else self._rules.feed(shown)

    def flush(self) -> bytes:
        """Give out what is held back; should it turn out to begin a secret, the secret's rest is masked still."""
        shown = self._values.flush()
        return shown if self._rules is None else self._rules.feed(shown) + self._rules.flush()

    def _tell(self, found: Finding, placeholder: str) -> None:
        if self.on_mask is not None:
            self.on_mask(found, placeholder)

    def _tell_moved(self, found: Finding, placeholder: str) -> None:
        """Tell a mask of the rules; its offsets count behind the masks of known values."""
        start, end = self._place(found.start), self._place(found.end)
        self._tell(found._replace(start=start, end=end), placeholder)
        del self._moved[: bisect_right(self._moved, found.start, key=_given) - 1]

    def _place(self, given: int) -> int:
        return given + self._moved[bisect_right(self._moved, given, key=_given) - 1][1]


def _given(moved: tuple[int, int]) -> int:
    return moved[0]
