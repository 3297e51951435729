"""Moments and durations, as a person reads and writes them; pure."""

import datetime as dt
import math
import re
from typing import Final

_AGO: Final = re.compile(r"(\d{1,6})([smhdw])\Z")
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def moment(at: float | None) -> str:
    """Say when, to the second, in UTC; a dash where it is not known."""
    try:
        return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "-"
    except (ValueError, OverflowError, OSError):  # a log may say any number
        return "-"


def span(seconds: float | None) -> str:
    """Say how long; a dash where it is not known: the clock may have been set back meanwhile."""
    if seconds is None or not 0 <= seconds < math.inf:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m{rest:02d}s" if hours else f"{minutes}m{rest:02d}s" if minutes else f"{seconds:.1f}s"


def when(text: str, now: float) -> float:
    """Return the seconds since the epoch of a date, a moment as of ISO 8601 (UTC if it names no zone), or `2d` ago.

    Units are s, m, h, d and w. Raises ValueError for anything else.
    """
    ago = _AGO.match(text.strip())
    if ago:
        return now - int(ago[1]) * _UNITS[ago[2]]
    read = dt.datetime.fromisoformat(text.strip())
    return (read if read.tzinfo else read.replace(tzinfo=dt.UTC)).timestamp()
