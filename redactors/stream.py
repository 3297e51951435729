"""The stream redactor: bytes in, bytes out, secrets masked.

What it promises:
1. Any chunking of the same bytes gives the same output, as long as nobody calls `flush` and no value is added.
2. Held back is only what may still become a match, and never more than LONGEST_HELD bytes for known values and as much
   for rules.
3. Known values first (`redactors.knownstream`); then, if an engine is given, what its rules find in the rest
   (`redactors.rulestream`). The screen is shown without: the user may see a key that the agent has just made.

Cost: rules show a line when it is over, so with an engine nobody looks at a line before its end has come. Nothing is
shown later for that: where what comes next may decide about bytes that are held back, all that comes is looked at.
Almost all lines pass: a glance of either stream shows nothing, neither holds anything back, and no terminal sequence
stands in them. They are given out as they are.
"""

from bisect import bisect_right
from collections.abc import Callable

from redactors.engine import Engine
from redactors.finding import Finding
from redactors.known import KnownValues
from redactors.knownstream import KnownStream
from redactors.rulestream import LONGEST_HELD, MOST_AT_A_GLANCE, RuleStream
from redactors.sequences import once, without_sequences
from redactors.vault import Vault

__all__ = ["LONGEST_HELD", "StreamRedactor"]

_RETURN, _ESCAPE = 0x0D, 0x1B  # as numbers: asking for one takes a third of the time of asking for bytes


class StreamRedactor:
    """Masks known values, and with an `engine` what it finds. Not for several threads at once.

    The known values may grow meanwhile, for later bytes. Call `flush` about 20 ms after the last byte, at once after
    the echo of a key (a letter may begin a value), and at the end. `on_mask(finding, placeholder)` is told each mask;
    offsets count from the start of the stream.
    """

    def __init__(self, known: KnownValues, vault: Vault, *, engine: Engine | None = None) -> None:
        self.on_mask: Callable[[Finding, str], None] | None = None
        strip = without_sequences if engine is None else once(without_sequences)  # values and rules see the same bytes
        self._values = KnownStream(known, vault, strip=strip)
        self._values.on_mask = self._tell
        self._rules = RuleStream(engine, vault, strip=strip) if engine is not None else None
        self._line = b""  # what came of a line that is not over, and was not looked at
        self._behind: list[bytes] = []  # what came of it since
        self._size = 0  # bytes of these
        self._decides = False  # whether the next bytes may decide about what is held back
        self._moved: list[tuple[int, int]] = [(0, 0)]
        if self._rules is not None:
            self._values.on_moved = lambda given, shift: self._moved.append((given, shift))
            self._rules.on_mask = self._tell_moved

    @property
    def held(self) -> bool:
        """Whether bytes are held back."""
        return bool(self._line or self._behind or self._values.held or (self._rules is not None and self._rules.held))

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes, give what may be shown now."""
        rules = self._rules
        if rules is None:
            return self._values.feed(data)
        end = data.rfind(b"\n") + 1
        if not end or self._decides:
            return self._take(data, rules)
        lines = self._with_line(data[:end]) if self._behind else self._line + data[:end]
        if len(lines) > MOST_AT_A_GLANCE or _ESCAPE in lines or not self._values.passes(lines):
            shown = self._look_at(lines, rules)
        else:  # almost all lines pass
            shown = lines if rules.passes(lines) else rules.feed(lines, looks=True)
        rest = data[end:]
        if _RETURN not in rest and len(rest) < LONGEST_HELD and not self._decides:
            self._line = rest
            return shown
        self._line = b""
        return shown + self._take(rest, rules)

    def flush(self) -> bytes:
        """Give out what is held back; should it turn out to begin a secret, the secret's rest is masked still."""
        if self._rules is None:
            return self._values.flush()
        shown = self._values.feed(self._with_line(b"")) + self._values.flush()
        return self._rules.feed(shown) + self._rules.flush()

    def _take(self, data: bytes, rules: RuleStream) -> bytes:
        """Let a line's beginning or its next bytes wait for its end, if they can; else look at all that came."""
        if not data:
            return b""
        before = self._behind[-1] if self._behind else self._line
        returns = (before[-1:] + data).find(b"\r", 0, -1) >= 0  # the last byte may be half of a line end
        size = self._size + len(data)
        if not self._decides and not returns and len(self._line) + size + rules.unfinished < LONGEST_HELD:
            self._behind.append(data)
            self._size = size
            return b""
        lines = self._with_line(data)
        shown = self._look_at(lines, rules)
        self._decides = self._values.held or lines.endswith(b"\r")
        return shown

    def _look_at(self, lines: bytes, rules: RuleStream) -> bytes:
        """Feed what may not pass."""
        shown = rules.feed(self._values.feed(lines))
        if shown is not lines:
            self._decides = self._values.held
        return shown

    def _with_line(self, data: bytes) -> bytes:
        """Put `data` behind what waits."""
        lines = b"".join((self._line, *self._behind, data))
        self._line, self._size = b"", 0
        self._behind.clear()
        return lines

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
