"""What a view's witness heard (`served.Scribe`)."""

import ast
import time
from pathlib import Path
from typing import Any

_QUIET = 0.35  # seconds: a file rests after 0.1, and is told 0.05 later


class Told:
    """Reads the lines that the witness wrote."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def rows(self, kind: str, *, after: float = _QUIET) -> list[tuple[Any, ...]]:
        """Give what was heard of one kind, once all that was done until now has been told."""
        time.sleep(after)
        lines = self._place.read_text().splitlines() if self._place.exists() else []
        return [row[1:] for row in map(ast.literal_eval, lines) if row[0] == kind]
