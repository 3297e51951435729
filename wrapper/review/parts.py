"""Puts requests together that were recorded in parts, since they were sent while they came; pure.

What is searched for may stand across two parts, and whoever sends decides how long a part is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from wrapper.audit.events import Sent


@dataclass(slots=True)
class Parts:
    """Takes what was sent to other hosts than providers, in order, and gives each request once, when it is whole."""

    _open: dict[int, list[tuple[int, Sent]]] = field(default_factory=dict)

    def feed(self, sequence: int, event: Sent) -> Iterator[tuple[int, Sent]]:
        """Take one event; yield the request that ends with it, with the number of its first record."""
        if event.ended and event.number not in self._open:
            yield sequence, event
            return
        self._open.setdefault(event.number, []).append((sequence, event))
        if event.ended:
            yield _whole(self._open.pop(event.number))

    def rest(self) -> Iterator[tuple[int, Sent]]:
        """Yield those that never ended."""
        while self._open:
            yield _whole(self._open.pop(next(iter(self._open))))


def _whole(parts: list[tuple[int, Sent]]) -> tuple[int, Sent]:
    sequence, first = parts[0]
    body = b"".join(event.body for _, event in parts)
    last = parts[-1][1]
    whole = {"body": body, "size": sum(event.size for _, event in parts), "sha256": last.sha256, "ended": last.ended}
    return sequence, msgspec.structs.replace(first, **whole)
