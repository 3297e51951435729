"""Who changed what: what the inside and the host did to the tree, told in the order in which it happened.

A file that is written to is told once it has come to rest, is moved or removed. What the inside does among git's own
files is not told; that refs moved is.
"""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from wrapper.view.nodes import Node
from wrapper.view.witness import Change, Witness

QUIET: Final = 0.1
"""Seconds without a write after which a file has come to rest."""
_LONGEST: Final = 2.0  # seconds for which a file that never rests goes untold
MOST_HASHED: Final = 8 << 20
_MOST_RANGES: Final = 64
_MERGE_AT: Final = 512  # ranges kept before they are merged
_NAME_HOLDS: Final = 0.05  # seconds: a process may become another program, or its number another process
_READS_EVERY: Final = 1.0
_MOST_HELD: Final = 16 << 20  # bytes of what waits to be told
_HELD_EACH: Final = 1000  # bytes of what is to be told, without contents, about

Range = tuple[int, int]
"""Offset and length."""
Call = tuple[Callable[..., None], tuple[Any, ...], dict[str, Any]]


def digest(content: bytes | None) -> str:
    """Give the SHA-256 (hex) of a content; "" where it is not known."""
    return "" if content is None else hashlib.sha256(content).hexdigest()


def merged(ranges: Iterable[Range]) -> list[Range]:
    """Give the ranges sorted, those that touch as one; one over all where there are too many."""
    out: list[Range] = []
    for start, length in sorted(ranges):
        if out and start <= out[-1][0] + out[-1][1]:
            first, before = out[-1]
            out[-1] = first, max(before, start + length - first)
        else:
            out.append((start, length))
    if len(out) > _MOST_RANGES:
        return [(out[0][0], out[-1][0] + out[-1][1] - out[0][0])]
    return out


class Work:
    """What the inside did to one file since it came to rest last.

    `before` is the hash of what was shown before; `shown` and `real` are that content and the real one of a file that
    showed placeholders; `old` is what was shown before of any file that is short.
    """

    __slots__ = ("before", "began", "has_restored", "old", "process", "ranges", "real", "shown")

    def __init__(
        self, before: str, process: str, shown: bytes | None, real: bytes | None, old: bytes | None = None
    ) -> None:
        self.old = old
        self.before = before
        self.process = process
        self.shown = shown
        self.real = real
        self.ranges: list[Range] = []
        self.has_restored = False
        self.began = time.monotonic()

    def add(self, start: int, length: int) -> None:
        """Take in a range that was written."""
        ranges = self.ranges
        if ranges and ranges[-1][0] + ranges[-1][1] == start:
            ranges[-1] = ranges[-1][0], ranges[-1][1] + length
            return
        ranges.append((start, length))
        if len(ranges) > _MERGE_AT:
            ranges[:] = merged(ranges)


class History:
    """Gathers what is to be told; `wake` is called when something waits and nothing did before.

    All but `tell` is called under the view's lock.
    """

    def __init__(self, witness: Witness, wake: Callable[[], None]) -> None:
        self.witness: Final = witness
        self.waiting: dict[Node, float] = {}
        """Files that were written to, and when they may be looked at."""
        self._wake = wake
        self._told: deque[Call] = deque()
        self._held = 0
        self._is_urgent = False
        self._read: dict[Node, bytes] = {}
        self._reads_due = 0.0
        self._by_host: dict[bytes, tuple[float, float]] = {}
        self._process = (0, "", 0.0)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be told or looked at."""
        return not (self.waiting or self._told or self._read or self._by_host)

    @property
    def is_pressing(self) -> bool:
        """Whether something is to be told now, however much the inside asks, or takes too much memory until then."""
        return self._is_urgent or self._held > _MOST_HELD

    def put(self, call: Callable[..., None], *args: object, **named: object) -> None:
        """Have something told, soon and in its turn."""
        self.put_later(call, *args, **named)
        self._is_urgent = True

    def put_later(self, call: Callable[..., None], *args: object, **named: object) -> None:
        """Have something told in its turn, which may wait until the inside asks less."""
        self._told.append((call, args, named))
        self._held += _HELD_EACH
        self._wake()

    def holds(self, size: int) -> None:
        """Take notice of the bytes that something holds which is to be told."""
        self._held += size

    def changed(self, change: Change) -> None:
        """Have a change told."""
        self.holds(sum(map(len, change.contents or ())))
        self.put_later(self.witness.changed, change)

    def wrote(self, node: Node, start: int, length: int) -> None:
        """Take notice of a write."""
        now = time.monotonic()
        work = node.work
        if work is None:
            self.waiting[node] = now + QUIET
        else:
            work.add(start, length)
            self.waiting[node] = min(now + QUIET, work.began + _LONGEST)
        self._wake()

    def read(self, node: Node, size: int) -> None:
        """Take notice that bytes of a file were handed out."""
        if not node.read_bytes:
            node.read_at = time.time()
        node.read_bytes += size
        if node not in self._read:
            if not self._read:
                self._reads_due = time.monotonic() + _READS_EVERY
                self._wake()
            self._read[node] = node.path()

    def by_host(self, path: bytes) -> None:
        """Take notice that someone outside writes to a file; told when that has come to rest."""
        now = time.monotonic()
        began, _ = self._by_host.get(path, (now, now))
        self._by_host[path] = began, min(now + QUIET, began + _LONGEST)
        self._wake()

    def host_rests(self, path: bytes) -> None:
        """Have told what someone outside wrote to a file, before it is moved or removed."""
        if self._by_host.pop(path, None) is not None:
            self.changed(Change("host", "modified", path))

    def due(self, now: float) -> list[Node]:
        """Give the files that have come to rest; have told what the host wrote and what was read."""
        for path in [path for path, (_, due) in self._by_host.items() if due <= now]:
            self.host_rests(path)
        if self._read and self._reads_due <= now:
            self._tell_reads()
        return [node for node, due in self.waiting.items() if due <= now]

    def dropped(self, node: Node) -> None:
        """Have told what is known of a node that is forgotten."""
        self.waiting.pop(node, None)
        if node in self._read:
            self._tell_reads()

    def end(self) -> None:
        """Have told what else is untold."""
        for path in list(self._by_host):
            self.host_rests(path)
        if self._read:
            self._tell_reads()

    def process(self, pid: int) -> str:
        """Give name and number of the process that a thread belongs to."""
        known, name, until = self._process
        now = time.monotonic()
        if known != pid or now > until:
            name = process_of(pid) if pid else ""
            self._process = pid, name, now + _NAME_HOLDS
        return name

    def tell(self) -> None:
        """Tell the witness all that waits; not under the view's lock, and by one thread at a time."""
        self._held, self._is_urgent = 0, False
        while self._told:
            call, args, named = self._told.popleft()
            call(*args, **named)

    def _tell_reads(self) -> None:
        nodes, self._read = self._read, {}
        self.put_later(
            self.witness.read, [(path, node.read_at, node.read_bytes) for node, path in nodes.items() if path]
        )


def process_of(pid: int) -> str:
    """Give name and number of the process that a thread belongs to, as in `node[1234]` (proc(5))."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
        group = int(status.partition("\nTgid:")[2].partition("\n")[0])
        name = Path(f"/proc/{group}/comm").read_text(errors="replace").strip()
    except (OSError, ValueError):
        return f"[{pid}]"
    return f"{name}[{group}]"
