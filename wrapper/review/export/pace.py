"""Says when something stands in a recording, from when it happened; pure.

A log's times are those of a clock that can be set back, and its pauses last hours. A recording's time only grows, and
may have its pauses shortened.
"""

import bisect
import math
from typing import Final

_LONGEST: Final = 10 * 366 * 86_400.0  # seconds; what a log says to be later is no time that a session took


class Pace:
    """Times in a recording, in whole milliseconds since `start` (seconds since the epoch).

    No pause is longer than `idle` seconds.
    """

    def __init__(self, start: float, idle: float = math.inf) -> None:
        self._start = start
        self._idle = math.inf if math.isinf(idle) else round(idle * 1000)
        self._real = 0
        self._shown = 0
        self._cuts: list[tuple[int, int]] = [(0, 0)]

    @property
    def shown(self) -> float:
        """Seconds of the recording until now."""
        return self._shown / 1000

    def step(self, at: float) -> float:
        """Go on to `at` and return by how many seconds the recording became longer."""
        real = max(self._since(at), self._real)
        pause = real - self._real
        step = int(min(pause, self._idle))
        self._real, self._shown = real, self._shown + step
        if step < pause:
            self._cuts.append((real, self._shown))
        return step / 1000

    def place(self, at: float) -> float:
        """Return where in the recording `at` is, in seconds; what comes after its end is at its end."""
        real = min(self._since(at), self._real)
        index = bisect.bisect_right(self._cuts, (real, self._shown)) - 1
        before, shown = self._cuts[index]
        end = self._cuts[index + 1][1] if index + 1 < len(self._cuts) else self._shown
        return min(shown + real - before, end) / 1000

    def _since(self, at: float) -> int:
        seconds = at - self._start
        return round(min(max(seconds, 0.0), _LONGEST) * 1000) if math.isfinite(seconds) else 0
