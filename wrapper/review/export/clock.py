"""Times of a log, which may say any number, as exports can write them; pure."""

import math
from typing import Final

_LAST: Final = 9.2e9  # seconds, in the year 2261: OpenTelemetry counts nanoseconds, which many hold in 63 bits


def sound(at: float) -> float:
    """Return a time that every format can hold: at most `_LAST`, and 0 for what is none."""
    return min(max(at, 0.0), _LAST) if math.isfinite(at) else 0.0


def clock(seconds: float) -> str:
    """Say how far into the session: `0:07`, `12:30`, `1:02:03`; `-0:05` where the clock was set back since."""
    whole = int(seconds) if math.isfinite(seconds) else 0
    minutes, rest = divmod(abs(whole), 60)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if whole < 0 else ""
    return f"{sign}{hours}:{minutes:02d}:{rest:02d}" if hours else f"{sign}{minutes}:{rest:02d}"
