"""Proves one segment of a ledger without any key, and has the lock and the names that readers and writers share.

An entry counts when a checkpoint behind it is good: the ledger is not encrypted, so before its checkpoint anybody could
have written it.
"""

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from wrapper.audit import format as layout
from wrapper.audit import scan
from wrapper.audit.format import TamperedError, TruncatedError
from wrapper.audit.proofs import root
from wrapper.audit.signatures import Signatures
from wrapper.errors import AuditError

NAME: Final = "ledger-"  # what a ledger's headers have for the id of a session; the id of its note key follows
_BUFFER: Final = 1 << 20
_PATIENCE: Final = 10.0  # seconds; an append takes milliseconds, and who stops a writer must not stop all others
_PAUSE: Final = 0.005


class Found(NamedTuple):
    """What is proven of one segment: up to its last checkpoint that is good, behind which `torn` bytes follow.

    `records` are the entries in it as they were written, with their sequences; `fault` says why the walk ended before
    its time.
    """

    preface: scan.Preface
    leaves: tuple[bytes, ...]
    root: bytes
    torn: int
    records: tuple[tuple[int, bytes], ...]
    fault: AuditError | None


def origin_of(ledger: str, segment: int) -> str:
    """Return the first line of a segment's checkpoints; `ledger` is the name in its header."""
    return f"{key_name(ledger)}/{segment}"


def key_name(ledger: str) -> str:
    """Return the name under which a ledger's note key signs."""
    return f"safe-agent.local/{ledger.removeprefix(NAME)}"


def ledger_name(public: bytes) -> str:
    """Return what the headers call a ledger with this note key (32 bytes)."""
    return NAME + hashlib.sha256(public).hexdigest()[:16]


@contextlib.contextmanager
def held(folder: Path, how: int) -> Iterator[None]:
    """Hold the lock of a ledger, shared or exclusive (flock(2)). Raises OSError, AuditError where others keep it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        patience = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, how | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > patience:
                    raise AuditError(
                        f"another process has held the ledger for {_PATIENCE:.0f} seconds",
                        hint=f"see which one: `fuser {folder}`",
                    ) from error
                time.sleep(_PAUSE)
        yield
    finally:
        os.close(descriptor)


def numbers(folder: Path) -> list[int]:
    """Return the numbers of the segments on disk, ascending. Raises OSError."""
    return sorted(filter(None, (layout.segment_number(path.name) for path in folder.iterdir())))


def prove(folder: Path, number: int, *, limit: int | None = None, known: int = 0) -> Found:
    """Open segment `number` and prove it, as `Opened` does."""
    with contextlib.closing(Opened(folder, number)) as opened:
        return opened.prove(limit=limit, known=known)


def preface_of(stream: BinaryIO, number: int) -> scan.Preface:
    """Read the header of segment `number`. Raises AuditError where it is not that of a ledger's segment."""
    try:
        preface = scan.read_header(stream)
    except TruncatedError as error:
        raise TruncatedError(f"segment {number} of the ledger ends inside its header") from error
    except TamperedError as error:
        raise TamperedError(f"segment {number} of the ledger: {error.what}") from error
    header = preface.header
    if header.segment != number or header.recipients or not header.session.startswith(NAME):
        raise TamperedError(f"segment {number} of the ledger has the header of something else")
    return preface


class Opened:
    """A segment's file as long as it is now: what is added later is not looked at.

    Raises OSError, and AuditError where not even its header is good.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self._number = number
        self._stream = (folder / layout.segment_names(number)[1]).open("rb", buffering=_BUFFER)
        try:
            self.preface = preface_of(self._stream, number)
            self._start = self._stream.tell()
            self._signatures = Signatures()
            self._walk = scan.Walk(self._stream, self.preface, check=self._gather)
            self._size = os.fstat(self._stream.fileno()).st_size
        except BaseException:
            self.close()
            raise
        self._known = 0

    def close(self) -> None:
        """Let the file go."""
        self._stream.close()

    def prove(self, *, limit: int | None = None, known: int = 0) -> Found:
        """Walk as far as the segment is good, at most `limit` frames; call it once. Raises OSError.

        Signatures among the first `known` frames are not checked: for a writer, who has them from the state.
        """
        self._known = known
        try:
            found = self._proven(_Pass(self._walk, self.preface.header.first, self._start), limit)
        finally:
            all_good = self._signatures.all_good()
        if all_good:
            return found
        self._stream.seek(self._start)
        one_by_one = scan.Walk(self._stream, self.preface)
        return self._proven(_Pass(one_by_one, self.preface.header.first, self._start), limit)

    def _gather(self, key: bytes, signature: bytes, message: bytes) -> None:
        if self._walk.frames >= self._known:
            self._signatures.add(key, signature, message)

    def _proven(self, taken: "_Pass", limit: int | None) -> Found:
        fault: AuditError | None = None
        try:
            taken.walk_on(limit)
        except AuditError as error:
            fault = type(error)(f"segment {self._number} of the ledger: {error.what}", hint=error.hint)
        leaves = taken.leaves()
        return Found(self.preface, leaves, root(leaves), self._size - taken.end, tuple(taken.records), fault)


class _Pass:
    """What one walk comes by: `records` under a good checkpoint, behind the last of which is the offset `end`."""

    def __init__(self, walk: scan.Walk, first: int, start: int) -> None:
        self._walk = walk
        self._first = first
        self._leaves: list[bytes] = []
        self._signed = 0
        self.end = start
        self.records: list[tuple[int, bytes]] = []

    def leaves(self) -> tuple[bytes, ...]:
        """Return the leaves up to the last good checkpoint."""
        self._note_leaf()
        return tuple(self._leaves[: self._signed])

    def walk_on(self, limit: int | None) -> None:
        """Walk as far as the segment is good, at most `limit` frames. Raises AuditError."""
        pending: list[scan.Frame] = []
        place = self.end
        for frame, _ in self._walk.walk():
            self._note_leaf()
            if frame.sequence - self._first == limit:
                return
            place += len(frame.head) + len(frame.body)
            if frame.flags & layout.COMPRESSED:
                raise TamperedError(f"frame {frame.sequence}: an entry of a ledger is never compressed")
            if frame.kind == layout.DATA:
                pending.append(frame)
                continue
            self.records += [(one.sequence, one.body) for one in pending]
            self._signed, self.end = frame.sequence - self._first + 1, place
            pending.clear()

    def _note_leaf(self) -> None:
        """Keep the leaf of the frame before; that of a frame is known when the walk has gone on."""
        if self._walk.frames > len(self._leaves):
            self._leaves.append(self._walk.previous)
