"""A set of literals or regular expressions behind hyperscan; the one place that calls it for known values.

hyperscan reports the end of each hit only (its start-of-match flag costs tenfold), and its handler must be a function:
a lambda as handler has crashed.
"""

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import hyperscan


class Patterns:
    """Compiled at the first scan (about 10 µs for a literal), may then be scanned from any thread.

    `literal`: the expressions stand for themselves. `once`: each is reported at its first hit only.
    """

    def __init__(self, expressions: "Iterable[bytes]", *, literal: bool = False, once: bool = False) -> None:
        self._expressions = list(expressions)
        self._literal, self._once = literal, once
        self._scanning = threading.Lock()  # a database has one scratch space
        self._database: hyperscan.Database | None = None

    def scan(self, data: bytes) -> list[tuple[int, int]]:
        """Give each hit as (number of its expression, end), in order of ends."""
        hits: list[tuple[int, int]] = []
        if self._expressions:
            with self._scanning:
                database = self._compiled()
                database.scan(data, match_event_handler=_note, context=hits)
        return hits

    def _compiled(self) -> "hyperscan.Database":
        if self._database is None:
            import hyperscan  # noqa: PLC0415  (11 ms: only a process that searches pays)

            database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
            size = len(self._expressions)
            flags = hyperscan.HS_FLAG_SINGLEMATCH if self._once else 0
            database.compile(
                expressions=self._expressions, ids=list(range(size)), elements=size, flags=flags, literal=self._literal
            )
            self._database = database
        return self._database


def _note(number: int, _start: int, end: int, _flags: int, hits: object) -> None:
    hits.append((number, end))  # type: ignore[attr-defined]  # the list given as context
