"""Bodies of requests as the log holds them: what an earlier request held already is named, not written again. Pure.

A client sends its whole conversation anew with every request. A body here is the first `prefix` bytes of an earlier
one, then bytes of its own, then the last `suffix` bytes of the earlier one.

Rules of this file:
1. Both sides remember the same bodies by the same rule (`_Remembered`), so a base is always there: the writer calls
   `shorten` once for each request and in the order of the records, for one log by one `Deltas`.
2. Bytes that no earlier body held stand in their own record. A record that is lost takes its own bytes with it, and
   hides how later bodies were put together until the next whole one: after at most `_MOST_LINKS` requests.
3. No record makes a body that is longer than its base and itself: a forged log cannot fill the reader's memory.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final, NamedTuple

from redactors.earlier import shared_end, shared_start
from wrapper.audit.events import Request
from wrapper.errors import AuditError

_MOST_BODIES: Final = 16  # conversations under way at once: a client's main one, its helpers, its titles
_MOST_BYTES: Final = 64 << 20  # the default limit of one body
# Of a base, one part in this many may be missing from the body that takes its place among those remembered.
_REPLACED: Final = 32
_MOST_LINKS: Final = 256  # a long session is written whole this often: a few megabytes in a day's work
_WORTH: Final = 1024  # bytes; for less no record is made to depend on another
# Bytes that are new in a body of which the base is certain: no other one can save much more.
_CERTAIN: Final = 64
_PROBE: Final = 64  # bytes compared to tell that a body has little in common with this one


class Delta(NamedTuple):
    """A body as it is written; `base` is the number of the request that it builds on, 0: `body` is whole."""

    base: int
    prefix: int
    suffix: int
    body: bytes


class _Kept(NamedTuple):
    body: bytes
    links: int  # bodies before this one, down to one that was written whole


class _Remembered:
    """The last bodies; what it keeps follows from the calls alone, which the log repeats to its reader."""

    def __init__(self) -> None:
        self._bodies: OrderedDict[int, _Kept] = OrderedDict()
        self._bytes = 0

    def get(self, number: int) -> _Kept | None:
        return self._bodies.get(number)

    def latest_first(self) -> Iterator[tuple[int, _Kept]]:
        return reversed(self._bodies.items())

    def add(self, number: int, body: bytes, delta: Delta) -> None:
        """Remember the whole `body` of request `number`, which was written as `delta`."""
        base = self._bodies.get(delta.base)
        if base is not None:
            self._bodies.move_to_end(delta.base)
            if len(base.body) - delta.prefix - delta.suffix <= len(base.body) // _REPLACED:
                self._forget(delta.base)
        self._forget(number)
        if len(body) < _WORTH or len(body) > _MOST_BYTES:
            return
        self._bodies[number] = _Kept(body, 0 if base is None else base.links + 1)
        self._bytes += len(body)
        while len(self._bodies) > _MOST_BODIES or self._bytes > _MOST_BYTES:
            self._forget(next(iter(self._bodies)))

    def _forget(self, number: int) -> None:
        gone = self._bodies.pop(number, None)
        self._bytes -= 0 if gone is None else len(gone.body)


class Deltas:
    """The writing side, one for each log. For one thread."""

    def __init__(self) -> None:
        self._remembered = _Remembered()

    def shorten(self, number: int, body: bytes) -> Delta:
        """Return the body of request `number` as it is to be written; hand it to the log before the next one."""
        delta = self._best(body)
        self._remembered.add(number, body, delta)
        return delta

    def _best(self, body: bytes) -> Delta:
        """Find what shares most. Where a chain is at its end the body is written whole, and the next ones build on it.

        Passed over for an older body, the chain's last one would be passed over by all that follow, too: each of them
        would hold all that was said since that older one.
        """
        whole = Delta(0, 0, 0, body)
        best, saved, links = whole, _WORTH - 1, 0
        for number, kept in self._remembered.latest_first():
            if not _may_share(kept.body, body, saved):
                continue
            prefix = shared_start(kept.body, body)
            suffix = shared_end(kept.body, body, min(len(kept.body), len(body)) - prefix)
            if prefix + suffix > saved:
                saved = prefix + suffix
                best, links = Delta(number, prefix, suffix, body[prefix : len(body) - suffix]), kept.links + 1
            if saved >= len(body) - max(_CERTAIN, len(body) // _REPLACED):
                break
        return best if links < _MOST_LINKS else whole


class Bodies:
    """The reading side; asked once for each request of a log, in the log's order."""

    def __init__(self) -> None:
        self._remembered = _Remembered()

    def whole(self, event: Request) -> bytes:
        """Return the request's body in full. Raises AuditError where what it builds on is missing or too short."""
        body = event.body if event.base == 0 else self._rebuilt(event)
        self._remembered.add(event.number, body, Delta(event.base, event.prefix, event.suffix, event.body))
        return body

    def _rebuilt(self, event: Request) -> bytes:
        base = self._remembered.get(event.base)
        if base is None:
            raise AuditError(
                f"request #{event.number} builds on #{event.base}, which the log does not hold in full",
                hint="what was new in it stands in its own record",
            )
        shared = event.prefix + event.suffix
        if min(event.prefix, event.suffix) < 0 or shared > len(base.body):
            raise AuditError(f"request #{event.number} takes more of #{event.base} than there is")
        return base.body[: event.prefix] + event.body + base.body[len(base.body) - event.suffix :]


def _may_share(base: bytes, body: bytes, least: int) -> bool:
    """Say whether more than `least` bytes can be common: then half of them are, at the start or at the end."""
    half = least // 2
    if min(len(base), len(body)) <= least:
        return False
    probe = min(_PROBE, half)
    view = memoryview(body)
    start, end = half - probe, len(body) - half
    return base.startswith(view[start:half], start) or base.startswith(view[end : end + probe], len(base) - half)
